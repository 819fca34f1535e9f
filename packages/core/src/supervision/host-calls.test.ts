import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostCalls } from './host-calls.ts';
import { markerOf } from './protocol.ts';
import { settle } from './settle.ts';
import { living, root, stateId, until } from './testing.testsuite.ts';

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
const started = (file: string): Promise<unknown> => until(() => existsSync(file));
const shell = (calls: HostCalls, script: string): Promise<unknown> =>
  calls.call('sh', ['-c', script], { env }).catch((error: unknown) => error);

describe.concurrent('the host calls of a daemon that ends', () => {
  test('are asked to end, may tidy up, have no answer, and are gone before it goes on', async () => {
    const calls = new HostCalls(`${stateId}-1`);
    const [begun, tidied] = [join(root, 'begun'), join(root, 'tidied')];
    const answer = shell(calls, `trap 'echo tidied > ${tidied}; exit 0' TERM; touch ${begun}; sleep 60 & wait; wait`);
    await started(begun);
    await calls.end();
    expect(readFileSync(tidied, 'utf8')).toBe('tidied\n');
    expect(await answer).toEqual(new Error('the daemon ends'));
    expect(living(markerOf(`${stateId}-1`, 'host'))).toEqual([]);
  });

  test('are killed when they do not listen', async () => {
    const calls = new HostCalls(`${stateId}-2`);
    const begun = join(root, 'deaf');
    const answer = shell(calls, `trap '' TERM; touch ${begun}; sleep 60; sleep 60`);
    await started(begun);
    await calls.end();
    expect(await answer).toEqual(new Error('the daemon ends'));
    expect(living(markerOf(`${stateId}-2`, 'host'))).toEqual([]);
  });

  test('cannot be started any more', async () => {
    const calls = new HostCalls(stateId);
    await calls.end();
    const file = join(root, 'never');
    expect(await shell(calls, `touch ${file}`)).toEqual(new Error('the daemon ends'));
    expect(existsSync(file)).toBe(false);
  });
});

test('what a daemon that was killed has left of a host call is ended at the next start', async () => {
  const calls = new HostCalls(stateId);
  const begun = join(root, 'orphan');
  const answer = shell(calls, `touch ${begun}; setsid sleep 60`);
  await started(begun);
  const verdict = (): 'stale' => 'stale';
  const settled = await settle({ root, stateId, now: Date.now, verdict });
  expect(settled).toMatchObject([{ directory: 'host', found: 'unknown', survivors: [] }]);
  expect(await answer).toMatchObject({ signal: 'SIGKILL' });
  expect(living(markerOf(stateId, 'host'))).toEqual([]);
});
