import { expect, test } from 'vitest';
import { after, claim, created, exited, running, silent } from '../task/samples.testsuite.ts';
import type { Limits, Task } from '../task/task.ts';
import { prepare } from './prepare.ts';
import type { Rooms } from './rooms.ts';

/** Nothing of the world is asked for: whoever looks at a room of these throws. */
const nothing = new Proxy({} as Rooms, {
  get(_, room) {
    throw new Error(`asked for ${String(room)}`);
  },
});

function again(limits: Partial<Limits>, usedMs: number, turns: number): Task {
  const spec = created().spec.limits;
  return after(
    created({ limits: { ...spec, ...limits } }),
    ...running,
    exited('harness-1', { code: 1, durationMs: usedMs }),
    silent({ turns }),
    claim,
  );
}

test.each([
  ['time', again({ timeoutMs: 5_000 }, 5_000, 1), 'timeout', 'the task used up its 5 s; raise the limit timeout, or split the task'],
  [
    'turns',
    again({ maxTurns: 7 }, 1, 7),
    'turn_limit',
    'all 7 model calls of the task are used up; raise the limit max_turns, or split the task',
  ],
])('no attempt begins for which there is no %s left', async (_, task, reason, message) => {
  expect(await prepare(task, nothing)).toEqual({ kind: 'fail', reason, message });
});

test('one with a little left begins', async () => {
  await expect(prepare(again({ timeoutMs: 5_000, maxTurns: 7 }, 4_999, 6), nothing)).rejects.toThrow('asked for plugins');
});
