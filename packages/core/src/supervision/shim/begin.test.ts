import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { requestStop } from '../directory.ts';
import { look } from '../look.ts';
import { markerOf } from '../protocol.ts';
import { ending, living, prepare, said, spawnShim, stateId, until } from '../testing.testsuite.ts';

/** Makes the first start of a child fail, in the way that `failing` says. */
function withFailingStart(failing: string): readonly string[] {
  const preload = `
    import child from 'node:child_process';
    import fs from 'node:fs';
    import { EventEmitter } from 'node:events';
    import { syncBuiltinESMExports } from 'node:module';
    const error = (code) => Object.assign(new Error('made up ' + code), { code });
    const { spawn } = child;
    const { readFileSync } = fs;
    ${failing}
    syncBuiltinESMExports();`;
  return ['--import', `data:text/javascript,${encodeURIComponent(preload)}`];
}

test.concurrent('a child for which there is no process number or descriptor at the moment is started a moment later', async () => {
  const directory = await prepare('echo started');
  const nodeArgs = withFailingStart(`
    child.spawn = () => {
      child.spawn = spawn;
      syncBuiltinESMExports();
      const none = new EventEmitter();
      process.nextTick(() => none.emit('error', error('EAGAIN')));
      return none;
    };`);
  spawnShim(directory, { nodeArgs });
  expect(await ending(directory)).toMatchObject({ code: 0 });
  expect(said(directory)).toBe('started\n');
});

test.concurrent('a child that cannot be looked at is not left alone: it is ended, and started again', async () => {
  const directory = await prepare('echo $$; exec sleep 100');
  const nodeArgs = withFailingStart(`
    child.spawn = (...args) => {
      const started = spawn(...args);
      child.spawn = spawn;
      // Long enough for it to say its number.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      fs.readFileSync = (path, ...rest) => {
        if (path !== '/proc/' + started.pid + '/stat') return readFileSync(path, ...rest);
        fs.readFileSync = readFileSync;
        syncBuiltinESMExports();
        throw error('EMFILE');
      };
      syncBuiltinESMExports();
      return started;
    };`);
  spawnShim(directory, { nodeArgs });
  await until(() => said(directory).split('\n').length === 3);
  const [first, second] = said(directory).split('\n').map(Number);
  const run = await until(async () => {
    const seen = await look(directory);
    return seen.kind === 'alive' ? seen.run : undefined;
  });
  expect(run.pid).toBe(second);
  expect(living(markerOf(stateId, basename(directory))).map(({ pid }) => pid)).not.toContain(first);
  await requestStop(directory, { kind: 'kill', hardness: 'kill', by: 'me', at: 1 });
  expect(await ending(directory)).toMatchObject({ stop: { kind: 'kill' }, signal: 'SIGKILL' });
});
