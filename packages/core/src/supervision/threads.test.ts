import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { isLiving } from './shim/process-table.ts';
import { ending, said, start, until } from './testing.testsuite.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;

/** Its first thread ends at once, the other one goes on: the process table shows it as a zombie without an environment. */
const program = `
import ctypes, os, threading, time
threading.Thread(target=lambda: (print(os.getpid(), flush=True), time.sleep(60))).start()
ctypes.CDLL(None).pthread_exit(None)`;
const script = `exec python3 -c '${program}'`;

test.each([
  ['R', 1, true],
  ['T', 1, true],
  ['Z', 1, false],
  ['Z', 2, true],
  ['X', 1, false],
])('a process in state %s with %d threads: living %s', (state, threads, living) => expect(isLiving({ state, threads })).toBe(living));

describe.skipIf(!python).concurrent(`a program whose first thread has ended${python ? '' : ' (skipped: no python3)'}`, () => {
  test('has not: its limits hold', async () => {
    const directory = await start(script, { limits: { timeoutMs: 1_000 } });
    expect(await ending(directory)).toMatchObject({ stop: { kind: 'timeout' }, survivors: [] });
  });

  test('is ended when it is left behind, by its marker alone', async () => {
    const log = '/proc/$$/fd/1';
    const directory = await start(`(setsid ${script.slice('exec '.length)} &); until test -s ${log}; do sleep 0.02; done; sleep 0.1`);
    const pid = Number((await until(() => said(directory))).trim());
    expect((await ending(directory)).swept).toEqual([pid]);
  });
});
