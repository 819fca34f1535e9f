import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { found, lineOf, prepareGo, preparePython } from '../../tools/backends/languages.ts';
import { exampleTests } from '../support/example.testsuite.ts';

/** Clients that others write: generated from the proto files, compiled, and run against the daemon. */

const examples = join(import.meta.dirname, '../../examples');
const python = await preparePython(console.error);
const go = await prepareGo(console.error);

afterAll(() => {
  console.log(lineOf('Python', python));
  console.log(lineOf('Go', go));
});

describe.skipIf('missing' in python)('examples/python', () => {
  exampleTests(() => {
    const { interpreter, environment } = found(python);
    return { command: [interpreter, join(examples, 'python/run.py')], environment, aSecond: '1' };
  });
});

describe.skipIf('missing' in go)('examples/go', () => {
  exampleTests(async () => ({ command: [await found(go).build('examples/go')], aSecond: '1s' }));
});
