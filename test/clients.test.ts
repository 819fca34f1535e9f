import { join } from 'node:path';
import { describe } from 'vitest';
import { exampleTests } from './support/example.testsuite.ts';

const examples = join(import.meta.dirname, '../examples');

describe('examples/node-grpc', () => {
  exampleTests(() => ({ command: [process.execPath, join(examples, 'node-grpc/run.ts')], aSecond: '1' }));
});
