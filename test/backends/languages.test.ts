import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { lineOf, prepareGo, preparePython } from '../../tools/backends/languages.ts';
import { exampleTests } from '../support/example.testsuite.ts';

/** Clients that others write: generated from the proto files, compiled, and run against the daemon. */

const examples = join(import.meta.dirname, '../../examples');
const python = await preparePython(console.error);
const go = await prepareGo(console.error);

afterAll(() => {
  console.log(lineOf('Python', python));
  console.log(lineOf('Go', go));
});

if (!('missing' in python)) {
  const { interpreter, environment } = python;
  describe('examples/python', () => {
    exampleTests({ command: [interpreter, join(examples, 'python/run.py')], environment, aSecond: '1' });
  });
}

if (!('missing' in go)) {
  const program = await go.build('examples/go');
  describe('examples/go', () => {
    exampleTests({ command: [program], aSecond: '1s' });
  });
}
