import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { hostCall, startShim } from './host.ts';
import { markerName, markerOf } from './protocol.ts';
import { sweepMarked } from './sweep.ts';
import { living, prepare, root, stateId } from './testing.testsuite.ts';

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
const shell = (script: string, options: Parameters<typeof hostCall>[2] = {}): ReturnType<typeof hostCall> =>
  hostCall('sh', ['-c', script], { env, ...options });

describe.concurrent('a host call', () => {
  test('gives code, output and what was said beside it', async () => {
    const answer = await shell('cat; echo oops >&2; pwd; exit 7', { stdin: Buffer.from('in\n'), cwd: root });
    expect(answer).toEqual({
      code: 7,
      signal: null,
      stdout: Buffer.from(`in\n${root}\n`),
      stderr: 'oops\n',
      timedOut: false,
      truncated: false,
    });
  });

  test('has exactly the environment that it was given', async () => {
    expect((await hostCall('/usr/bin/env', [], { env: { ONLY: '1' } })).stdout.toString()).toBe('ONLY=1\n');
  });

  test('is killed with its group when it takes too long', async () => {
    const marker = markerOf(stateId, 'host-call');
    const before = performance.now();
    const answer = await shell('sleep 60 & sleep 60', { timeoutMs: 200, env: { ...env, [markerName]: marker } });
    expect(answer).toMatchObject({ code: null, signal: 'SIGKILL', timedOut: true });
    expect(performance.now() - before).toBeLessThan(5_000);
    expect(living(marker)).toEqual([]);
  });

  test('does not wait for a descendant that holds its output', async () => {
    const marker = markerOf(stateId, 'leaking-call');
    const before = performance.now();
    const answer = await shell('echo done; setsid sleep 60 &', { env: { ...env, [markerName]: marker } });
    expect(answer).toMatchObject({ code: 0, stdout: Buffer.from('done\n') });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect((await sweepMarked(marker)).swept).toHaveLength(1);
  });

  test('is ended when it says too much', async () => {
    const answer = await shell('yes', { maxBytes: 100_000 });
    expect(answer).toMatchObject({ truncated: true, timedOut: false, signal: 'SIGKILL' });
    expect(answer.stdout.length).toBeLessThanOrEqual(100_000);
  });

  test('whose program does not read its input is no failure', async () => {
    expect(await shell('exec <&-; exit 0', { stdin: Buffer.alloc(1_000_000) })).toMatchObject({ code: 0 });
  });

  test('of a program that is not there is an error with its code', async () => {
    await expect(hostCall('no-such-program', [], { env })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('for which there are no descriptors is an error with its code', async () => {
    const PROGRAM = `
      import { openSync } from 'node:fs';
      import { hostCall } from ${JSON.stringify(import.meta.resolve('./host.ts'))};
      try { for (;;) openSync('/dev/null'); } catch {}
      await hostCall('true', []).catch(({ code }) => process.stdout.write(code));`;
    const starved = 'ulimit -n 60; exec "$NODE" --input-type=module --eval "$PROGRAM"';
    const answer = await shell(starved, { env: { ...env, NODE: process.execPath, PROGRAM } });
    expect(answer, answer.stderr).toMatchObject({ code: 0, stdout: Buffer.from('EMFILE') });
  });
});

test('a shim is started for a prepared directory with all its secrets only', async () => {
  await expect(startShim(`${root}/nothing`, {})).rejects.toThrow('spec.json');
  const directory = await prepare('true', { secretNames: ['KEY'] });
  await expect(startShim(directory, {})).rejects.toThrow('[KEY]; given were []');
  await sleep(50);
  expect(living()).toEqual([]);
});

test('a shim that cannot write its first word says why with its code', async () => {
  const directory = await prepare('true');
  const host = JSON.stringify(import.meta.resolve('./host.ts'));
  const PROGRAM = `
    import { startShim } from ${host};
    const alive = setInterval(() => {}, 1_000);
    await startShim(${JSON.stringify(directory)}, {}).catch(({ code }) => process.stdout.write(code));
    clearInterval(alive);`;
  // Files of no bytes at all, for this program and for what it starts.
  const starved = 'ulimit -f 0; exec "$NODE" --input-type=module --eval "$PROGRAM"';
  const answer = await shell(starved, { env: { ...env, NODE: process.execPath, PROGRAM } });
  expect(answer, answer.stderr).toMatchObject({ code: 0, stdout: Buffer.from('EFBIG') });
});
