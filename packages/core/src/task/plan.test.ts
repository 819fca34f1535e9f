import { describe, expect, test } from 'vitest';
import { planAttempt } from './plan.ts';
import {
  aGate,
  after,
  aTree,
  claim,
  created,
  died,
  exited,
  failed,
  openWorkspace,
  owned,
  reconciled,
  running,
  runningAgain,
  setBase,
  silent,
  start,
} from './samples.testsuite.ts';
import type { AttemptAccount, Task } from './task.ts';

const judged = { kind: 'judged' } as const;
const inPlace = { workspace: { path: '/src/shop', mode: 'in_place' } } as const;
const told: AttemptAccount = { sessionId: 'told-by-the-cli' };

const crashed = (account: AttemptAccount = {}): Task => after(created(), ...running, exited('harness-1', { code: 1 }), silent(account));
const full = (set = {}): Task =>
  after(created(set), ...running, exited(), silent(told, { evidence: { result: 'failed', reason: 'context_exhausted' } }));
const red = after(created({ gates: [aGate('test')] }), ...running, exited(), reconciled({}, told), failed, judged);
const idle = after(created({ taskType: 'debugging' }), ...running, exited(), reconciled({ tree: aTree({ changed: false }) }, told));

const redInPlace = after(created({ gates: [aGate('test')], ...inPlace }), ...running, exited(), reconciled({}, told), failed, judged);
const lostRework = after(red, ...runningAgain(2), died('harness-2'), silent());
const overfull = (task: Task): Task =>
  after(task, ...runningAgain(2), exited('harness-2'), silent({}, { evidence: { result: 'failed', reason: 'context_exhausted' } }));
const again = (judged?: Task) => ({
  resume: 'session-1',
  prompt: 'continue',
  workspace: 'keep',
  ...(judged ? { findingsOf: judged.attempts[0] } : {}),
});

describe('how the next attempt begins', () => {
  test.each([
    ['the first', after(created(), claim), { prompt: 'full', workspace: 'keep' }],
    ['after a crash', crashed(told), { resume: 'told-by-the-cli', prompt: 'continue', workspace: 'keep' }],
    ['after a crash before the CLI told its session', crashed(), { resume: 'session-1', prompt: 'continue', workspace: 'keep' }],
    ['after it was lost', after(created(), ...running, died(), silent()), { resume: 'session-1', prompt: 'continue', workspace: 'keep' }],
    ['after the context was full', full(), { prompt: 'continue', workspace: 'base' }],
    ['after the context was full, in place', full(inPlace), { prompt: 'continue', workspace: 'keep' }],
    ['rework', red, { resume: 'told-by-the-cli', prompt: 'findings', workspace: 'keep', findingsOf: red.attempts[0] }],
    ['after no change', idle, { resume: 'told-by-the-cli', prompt: 'findings', workspace: 'keep', findingsOf: idle.attempts[0] }],
    ['after rework that was lost', lostRework, { resume: 'session-1', prompt: 'continue', workspace: 'keep', findingsOf: red.attempts[0] }],
    ['after that once more', after(lostRework, ...runningAgain(3), exited('harness-3', { code: 1 }), silent()), again(red)],
    ['after rework whose context was full: nothing of what was found is left', overfull(red), { prompt: 'continue', workspace: 'base' }],
    ['after that once more', after(overfull(red), ...runningAgain(3), died('harness-3'), silent()), again()],
    [
      'after rework in place whose context was full',
      overfull(redInPlace),
      { prompt: 'continue', workspace: 'keep', findingsOf: redInPlace.attempts[0] },
    ],
  ] as const)('%s', (_, task, plan) => {
    expect(planAttempt(task)).toStrictEqual(plan);
    // An attempt that never ran has changed nothing.
    const again = task.state === 'assigned' ? task : after(task, claim);
    const released = after(again, { kind: 'release', message: 'busy', notBefore: 0 }, claim);
    expect(planAttempt(released)).toStrictEqual(plan);
  });

  test('a CLI that chooses its own session has none to resume before it has told it', () => {
    const begun = [claim, openWorkspace, setBase, start(1, { session: { resumed: false } }), owned()];
    const lost = after(created(), ...begun, died(), silent());
    expect(planAttempt(lost)).toStrictEqual({ prompt: 'continue', workspace: 'keep' });
    expect(planAttempt(after(created(), ...begun, died(), silent(told)))).toMatchObject({ resume: 'told-by-the-cli' });
  });

  test('without a session there is none to resume', () => {
    const { session: _, ...attempt } = crashed().attempts[0]!;
    expect(planAttempt({ ...crashed(), attempts: [attempt] })).toStrictEqual({ prompt: 'continue', workspace: 'keep' });
  });
});
