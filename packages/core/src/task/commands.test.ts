import { describe, expect, test } from 'vitest';
import { isRefusal, withAttempt } from './change.ts';
import type { Command } from './commands.ts';
import { decide } from './decide.ts';
import {
  after,
  claim,
  created,
  decided,
  exited,
  openWorkspace,
  owned,
  passed,
  reconciled,
  running,
  setBase,
  silent,
  start,
  stop,
} from './samples.testsuite.ts';
import { block, cancel, setup, situations } from './situations.testsuite.ts';
import type { StopKind, Task } from './task.ts';

const atCreated = situations['created']!;
const atStarted = situations['running, not owned']!;
const atRunning = situations['running']!;

describe('a start', () => {
  test('tells what speaks against the CLI, once for all attempts', () => {
    const warned = (attempt: number) => start(attempt, { warning: 'version 9 is not known' });
    const told = (task: Task, command: Command) =>
      decided(task, command).events.flatMap(({ body }) => (body.kind === 'warning' ? [body.message] : []));
    const ready = situations['assigned, base']!;
    expect(told(ready, warned(1))).toEqual(['version 9 is not known']);
    expect(after(ready, warned(1)).attempts[0]).not.toHaveProperty('warning');
    expect(told(ready, start())).toEqual([]);
    const again = after(ready, warned(1), owned(), exited(), silent(), claim);
    expect(told(again, warned(2))).toEqual([]);
  });

  test('opens the harness with all that the attempt has to remember', () => {
    const baseline = { version: 1, data: { bytes: 9 } };
    const begun = start(1, {
      session: { id: 's', resumed: true },
      prompt: 'continue',
      decoderVersion: 4,
      apiKeyVariable: 'KEY',
      spansTellUsage: true,
      baseline,
    });
    const { task, events } = decided(situations['assigned, base']!, begun);
    expect(task.attempts[0]).toMatchObject({
      state: 'prepared',
      directory: 'harness-1',
      session: { id: 's', resumed: true },
      prompt: 'continue',
      decoderVersion: 4,
      apiKeyVariable: 'KEY',
      spansTellUsage: true,
      baseline,
    });
    expect(task.attempts[0]).not.toHaveProperty('kind');
    expect(task.processes.at(-1)).toStrictEqual({
      attempt: 1,
      role: 'harness',
      ordinal: 0,
      directory: 'harness-1',
      state: 'open',
      openedAt: task.updatedAt,
    });
    expect(events.map(({ body }) => body)).toEqual([{ kind: 'state_changed', from: 'assigned', to: 'in_progress', edge: 'start' }]);
  });

  test.each([
    [start(1, { directory: 'setup-1-0' }), 'assigned, base'],
    [{ ...setup, directory: 'setup-1-0' }, 'assigned, setup lost'],
  ] as const)('never names a directory that was used before', (command, name) => {
    const lost = after(situations['assigned, setup open']!, { kind: 'died', directory: 'setup-1-0', survivors: [], usedMs: 1 });
    const task = situations[name] ?? lost;
    expect(decide(task, command, task.updatedAt)).toStrictEqual({ refused: 'stale', message: 'setup-1-0 was used before' });
  });
});

describe('a claim', () => {
  test('makes the next attempt of a waiting task; the first one settles dispatch and estimate', () => {
    const first = after(created({ model: 'opus' }), { kind: 'claim', owner: 'daemon-1', estimate: { inputTokens: 9 } });
    expect(first).toMatchObject({ lease: { owner: 'daemon-1' }, fence: 1, dispatchedAt: first.updatedAt, estimate: { inputTokens: 9 } });
    expect(first.attempts).toStrictEqual([
      {
        number: 1,
        state: 'prepared',
        harness: 'claude_code',
        requestedModel: 'opus',
        preparedAt: first.updatedAt,
        recorded: { stdout: 0, stderr: 0 },
      },
    ]);
    const again = after(first, openWorkspace, setBase, start(), owned(), exited(), silent(), {
      kind: 'claim',
      owner: 'daemon-2',
      estimate: { inputTokens: 1 },
    });
    expect(again).toMatchObject({ lease: { owner: 'daemon-2' }, fence: 2, dispatchedAt: first.updatedAt, estimate: { inputTokens: 9 } });
    expect(again).toMatchObject({ attempts: [{ number: 1 }, { number: 2, state: 'prepared' }], processes: [] });
    expect(again).not.toHaveProperty('notBefore');
  });

  test('of a task in review takes up the gates: no edge, no attempt', () => {
    const waiting = situations['review, no lease']!;
    expect(after(waiting, claim)).toMatchObject({ state: 'in_review', lease: { owner: 'daemon-1' }, fence: 2, attempts: [{ number: 1 }] });
  });

  test('is refused until the task is due, and then not', () => {
    const waiting = situations['created, backing off']!;
    const { notBefore = 0, updatedAt } = waiting;
    expect(notBefore).toBeGreaterThan(updatedAt);
    expect(isRefusal(decide(waiting, claim, notBefore - 1))).toBe(true);
    expect(isRefusal(decide(waiting, claim, notBefore))).toBe(false);
    // The clock was set back: what is left of the wait is not known, and it is no day.
    expect(isRefusal(decide(waiting, claim, updatedAt - 86_400_000))).toBe(false);
  });
});

describe('a takeover', () => {
  const takeOver: Command = { kind: 'take_over', owner: 'daemon-2' };

  test('has a new fence, and says from where a running harness is read on', () => {
    const recorded = after(atRunning, { kind: 'record', attempt: 1, source: 'stderr', from: 0, to: 70, events: [] });
    const taken = decided(recorded, takeOver);
    expect(taken.task).toMatchObject({ lease: { owner: 'daemon-2' }, fence: recorded.fence + 1, state: 'in_progress' });
    expect(taken.events.map(({ body }) => body)).toEqual([{ kind: 'adopted', attempt: 1, stdout: 0, stderr: 70 }]);
  });

  test.each(['assigned', 'assigned, setup open', 'running, ended', 'review, gate open'])(
    'adopts no harness of a task that is %s',
    (name) => {
      expect(decided(situations[name]!, takeOver)).toMatchObject({ task: { fence: 2 }, events: [] });
    },
  );
});

describe('a stop', () => {
  test.each([
    [['cancel'], 'cancelled', 'cancelled', undefined],
    [['terminate'], 'cancelled', 'terminated', undefined],
    [['kill'], 'failed', 'killed', undefined],
    [['cancel', 'terminate'], 'cancelled', 'cancelled', 'terminate'],
    [['cancel', 'terminate', 'kill'], 'cancelled', 'cancelled', 'kill'],
    [['cancel', 'kill', 'terminate'], 'cancelled', 'cancelled', 'kill'],
    [['terminate', 'cancel'], 'cancelled', 'terminated', undefined],
    [['kill', 'cancel'], 'failed', 'killed', undefined],
    [['cancel', 'cancel'], 'cancelled', 'cancelled', undefined],
  ] as const)('%s of a running task: the first is the cause, the hardest says how', (kinds, state, reason, harder) => {
    const stopping = after(atRunning, ...kinds.map((kind, index) => stop(kind, `person ${index}`, 'enough')));
    const said = (kind: StopKind): object => {
      const place = kinds.findIndex((each) => each === kind);
      return { by: `person ${place}`, why: 'enough', at: atRunning.updatedAt + (place + 1) * 1_000 };
    };
    expect(stopping.stop).toStrictEqual({
      kind: kinds[0],
      ...said(kinds[0]),
      ...(harder ? { harder } : {}),
      ...(harder === 'kill' ? { killSwitch: said('kill') } : {}),
    });
    expect(after(stopping, exited(), reconciled())).toMatchObject({
      state,
      failure: { reason, message: `${reason} by person 0: enough`, by: 'person 0', why: 'enough' },
      attempts: [{ state: 'ended', tree: { commit: 'c1' }, failure: { reason } }],
    });
  });

  test.each(['assigned', 'assigned, workspace'])('by the kill switch gives back what is only %s: nothing of it runs', (name) => {
    const { task, events } = decided(situations[name]!, stop('kill', 'anna', 'costs'));
    expect(task).toMatchObject({ state: 'created', attempts: [{ state: 'revoked', charged: false }] });
    expect(task).not.toHaveProperty('stop');
    expect(events.map(({ body }) => body)).toStrictEqual([
      { kind: 'stop_requested', stop: 'kill', by: 'anna', why: 'costs' },
      { kind: 'state_changed', from: 'assigned', to: 'created', edge: 'release' },
    ]);
  });

  test('by the kill switch is the cause where the shim read of it before it heard of an earlier cancel, with all that is known of it', () => {
    const killed = { ...stop('kill', 'anna', 'costs'), scope: 'all' };
    const stopping = after(atRunning, stop('cancel', 'bert'), killed);
    expect(after(stopping, exited('harness-1', { code: null, signal: 'SIGKILL', stop: 'kill' }), reconciled())).toMatchObject({
      state: 'failed',
      failure: { reason: 'killed', message: 'killed by anna: costs', by: 'anna', why: 'costs', scope: 'all' },
    });
  });

  test('of a task without a process ends it at once, with all that is known of the stop', () => {
    const { task, events } = decided(situations['assigned, base']!, { kind: 'stop', stop: 'kill', by: 'anna', why: 'costs', scope: 'all' });
    expect(task).toMatchObject({
      state: 'failed',
      stop: { kind: 'kill', by: 'anna', why: 'costs', scope: 'all' },
      failure: { reason: 'killed', message: 'killed by anna: costs', by: 'anna', why: 'costs', scope: 'all' },
      attempts: [{ state: 'revoked', charged: false }],
    });
    expect(events.map(({ body }) => body)).toStrictEqual([
      { kind: 'stop_requested', stop: 'kill', by: 'anna', why: 'costs' },
      { kind: 'state_changed', from: 'assigned', to: 'failed', edge: 'fail', reason: 'killed', message: 'killed by anna: costs' },
      { kind: 'completed', state: 'failed' },
    ]);
  });

  test('says nothing that was not said', () => {
    expect(after(atCreated, cancel).failure).toStrictEqual({ reason: 'cancelled', message: 'cancelled by anna', by: 'anna' });
  });

  test('revokes a harness that no shim owns yet', () => {
    const revoked = after(atStarted, cancel, { kind: 'revoked', directory: 'harness-1' });
    expect(revoked).toMatchObject({
      state: 'cancelled',
      attempts: [{ state: 'revoked', charged: false }],
      processes: [{}, { state: 'revoked' }],
    });
    expect(revoked.attempts[0]).not.toHaveProperty('startedAt');
  });
});

describe('a step that cannot be done', () => {
  const fail: Command = { kind: 'fail', reason: 'workspace_gone', message: 'not there' };

  test.each([
    ['assigned, base', { state: 'revoked', charged: false }],
    ['running, ended', { state: 'ended', charged: true, failure: { reason: 'workspace_gone', message: 'not there' } }],
    ['running, lost', { state: 'lost', charged: true, failure: { reason: 'workspace_gone' } }],
    [
      'review, green',
      { state: 'ended', charged: true, tree: { commit: 'c1' }, failure: { reason: 'workspace_gone', message: 'not there' } },
    ],
  ])('fails a task that is %s, and leaves no attempt open', (name, attempt) => {
    const before = after(situations[name]!);
    expect(after(before, fail)).toMatchObject({ state: 'failed', failure: { reason: 'workspace_gone' }, attempts: [attempt] });
  });

  test('leaves the attempts alone that had an end of their own, or never started', () => {
    const waits = after(atRunning, exited(), silent());
    expect(after(waits, cancel).attempts).toMatchObject([{ failure: { reason: 'harness_failed' } }]);
    expect(after(situations['assigned, base']!, fail).attempts[0]).not.toHaveProperty('failure');
  });

  test('leaves no live figures on an attempt that has ended', () => {
    const live = after(atRunning, { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 1, events: [], live: { turns: 1 } });
    expect(live.attempts[0]).toHaveProperty('live');
    expect(after(live, exited(), fail).attempts[0]).not.toHaveProperty('live');
  });

  test('blocks: parked uncharged, with when it may go on, and forgotten once it has gone on', () => {
    const parked = after(situations['running, ended']!, {
      kind: 'block',
      reason: 'quota_exhausted',
      message: 'no quota',
      until: 99,
    });
    expect(parked).toMatchObject({
      state: 'blocked',
      blocked: { reason: 'quota_exhausted', message: 'no quota', from: 'created', until: 99 },
      attempts: [{ charged: false, failure: { reason: 'quota_exhausted' } }],
    });
    expect(parked).not.toHaveProperty('lease');
    expect(after(parked, { kind: 'unblock' })).not.toHaveProperty('blocked');
    expect(after(parked, cancel)).not.toHaveProperty('blocked');
  });

  test.each([{ retry: false }, { most: 0 }])('blocks nobody who does not want to wait (%o): the task fails with that', (rule) => {
    const login = { kind: 'block', reason: 'unauthenticated', message: 'log in', probe: true } as const;
    const ended = after(created({ retry: { unauthenticated: rule } }), claim, login);
    expect(ended).toMatchObject({ state: 'failed', failure: { reason: 'unauthenticated', message: 'log in' } });
    expect(ended.attempts).toMatchObject([{ state: 'revoked', charged: false }]);
    expect(ended).not.toHaveProperty('blocked');
  });

  test('blocks in review: no new attempt, and the gates run again', () => {
    const parked = after(situations['review, red']!, block);
    expect(parked).toMatchObject({ blocked: { from: 'in_review' }, gateResults: { length: 2 } });
    // The attempt is not over yet; it is once the task ends here.
    expect(parked.attempts[0]).not.toHaveProperty('failure');
    expect(after(parked, cancel).attempts).toMatchObject([{ failure: { reason: 'cancelled' } }]);
    const back = after(parked, { kind: 'unblock' }, claim, passed, passed, { kind: 'judged' });
    expect(back).toMatchObject({
      state: 'completed',
      attempts: { length: 1 },
      gateResults: [{ verdict: 'passed' }, { verdict: 'passed' }],
    });
  });

  test('warns: tells those who watch, and goes on', () => {
    const { task, events } = decided(atRunning, { kind: 'warn', message: 'nothing new for 5 turns' });
    expect(events.map(({ body }) => body)).toStrictEqual([{ kind: 'warning', message: 'nothing new for 5 turns' }]);
    expect(task).toMatchObject({ state: 'in_progress', attempts: [{ state: 'started' }] });
  });

  test('releases: waits without a charge', () => {
    const released = after(situations['assigned, workspace']!, { kind: 'release', message: 'busy', notBefore: atCreated.createdAt + 9 });
    expect(released).toMatchObject({
      state: 'created',
      notBefore: atCreated.createdAt + 9,
      attempts: [{ state: 'revoked', charged: false }],
    });
  });
});

describe('a bug of the caller is named', () => {
  test('an attempt is changed that is not there', () => {
    expect(() => withAttempt(created(), {})).toThrow('has no attempt to change');
  });

  test('a final task stays as it is, whatever comes', () => {
    const { task, completion } = decided(created(), ...running, exited(), reconciled(), { kind: 'judged' });
    expect(completion).toMatchObject({ taskId: task.id, outcome: 'success' });
    expect(decide(task, cancel, task.updatedAt)).toStrictEqual({
      refused: 'illegal_transition',
      message: `task ${task.id} is completed; "stop" is not possible now`,
    });
  });
});
