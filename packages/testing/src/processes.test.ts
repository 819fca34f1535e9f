import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { processesWithMarker } from './processes.ts';
import { until } from './until.ts';

test('finds what carries the marker, in any session, and no zombie', async () => {
  const marker = `SINGLETREE_TEST_MARKER=${randomUUID()}`;
  const [name = '', value = ''] = marker.split('=');
  expect(processesWithMarker(marker)).toEqual([]);
  // A parent that never waits: its child, once killed, stays a zombie, with the marker in nobody's environment but the parent's.
  const parent = spawn('bash', ['-c', 'setsid sleep 300 & echo $!; exec sleep 301'], {
    env: { PATH: process.env['PATH'], [name]: value },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const gone = once(parent, 'exit');
  const pids = [parent.pid ?? 0];
  try {
    const [line] = await once(parent.stdout, 'data');
    pids.push(Number(String(line)));
    const found = await until(() => processesWithMarker(marker).length === 2 && processesWithMarker(marker), { what: 'both sleeps' });
    await until(() => processesWithMarker(marker).every(({ command }) => command.startsWith('sleep 30')), { what: 'both to be sleeps' });
    expect(new Set(found.map(({ pid }) => pid))).toEqual(new Set(pids));
    process.kill(pids[1] ?? 0, 'SIGKILL');
    await until(() => processesWithMarker(marker).length === 1, { what: 'the zombie not to count' });
  } finally {
    parent.kill('SIGKILL');
    await gone;
  }
  expect(processesWithMarker(marker)).toEqual([]);
});
