import { randomUUID } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostCall } from '../host.ts';
import { cgroupDirectory } from '../shim/cgroup-files.ts';
import { ending, prepare, until } from '../testing.testsuite.ts';

const own = cgroupDirectory('self', 'memory');
const why = ((): string | undefined => {
  if (own === undefined) return 'no memory controller of version 1';
  try {
    accessSync(own, constants.W_OK);
    return process.getuid?.() === 0 ? undefined : 'not root';
  } catch (error) {
    return String(error);
  }
})();
const limited = join(own ?? '/nowhere', `singletree-test-${randomUUID()}`);

const named: string = why === undefined ? 'in a cgroup with little memory' : `in a cgroup with little memory (not here: ${why})`;
/** The kernel itself, where memory can be limited. Everywhere else made-up counters have to do: ../shim/cgroup-files.test.ts. */
describe.skipIf(why !== undefined)(`${named}:`, () => {
  beforeAll(() => {
    mkdirSync(limited);
    writeFileSync(join(limited, 'memory.limit_in_bytes'), String(256 * 1024 * 1024));
  });
  afterAll(async () => await until(() => !existsSync(limited) || removed(limited)));

  /** Whoever starts the shim is in the cgroup, and so are the shim and its child. */
  const runLimited = async (program: string): Promise<Awaited<ReturnType<typeof ending>>> => {
    const directory = await prepare('', { file: process.execPath, args: ['-e', program] });
    const host = JSON.stringify(new URL('../host.ts', import.meta.url).href);
    const start = `import { startShim } from ${host}; await startShim(${JSON.stringify(directory)}, {});`;
    const into = 'echo 0 > "$0/cgroup.procs" && exec "$@"';
    const { code, stderr } = await hostCall('/bin/sh', ['-c', into, limited, process.execPath, '--input-type=module', '-e', start]);
    if (code !== 0) throw new Error(stderr);
    return await ending(directory);
  };

  test('a child that takes more than there is ends for want of memory', async () => {
    const exit = await runLimited('const held = []; for (;;) held.push(Buffer.alloc(1e7, 1));');
    expect(exit).toMatchObject({ code: null, signal: 'SIGKILL', outOfMemory: true, survivors: [] });
  });

  test('one that somebody else kills does not', async () => {
    const exit = await runLimited("process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000)");
    expect(exit).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(exit.outOfMemory).toBeUndefined();
  });
});

function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return false; // somebody is still on the way out
  }
}
