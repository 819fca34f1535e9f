import { describe, expect, test } from 'vitest';
import type { Command } from './commands.ts';
import { decide } from './decide.ts';
import {
  after,
  aGate,
  anExit,
  claim,
  created,
  decided,
  died,
  exited,
  noon,
  openWorkspace,
  owned,
  reconciled,
  setBase,
  start,
  stop,
} from './samples.testsuite.ts';
import { cancel, setup, situations } from './situations.testsuite.ts';
import type { GateResult, Task } from './task.ts';

const limits = { timeoutMs: 1_000, maxOutputBytes: 1_000_000, maxAttempts: 3 };
const atRunning = situations['running']!;

describe('a harness', () => {
  test('that a shim owns has started when the shim says', () => {
    const { task, events } = decided(situations['running, not owned']!, owned());
    expect(task).toMatchObject({ attempts: [{ state: 'started', startedAt: noon + 500 }], processes: [{}, { state: 'owned', pid: 4711 }] });
    expect(events[0]?.body).toStrictEqual({
      kind: 'attempt_started',
      attempt: 1,
      harness: 'claude_code',
      resumed: false,
      pid: 4711,
    });
  });

  test('says how its processes are contained, as far as its shim got with it', () => {
    const { task, events } = decided(situations['running, not owned']!, { ...owned(), sandbox: 'cgroup' } as Command);
    expect(task.attempts).toMatchObject([{ sandbox: 'cgroup' }]);
    expect(events[0]?.body).toMatchObject({ kind: 'attempt_started', sandbox: 'cgroup' });
  });

  test('that has ended leaves its exit, its time and what outlived it', () => {
    const { task, events } = decided(atRunning, exited('harness-1', { code: null, signal: 'SIGKILL', survivors: [7, 8] }));
    expect(task).toMatchObject({
      state: 'in_progress',
      usedMs: atRunning.usedMs + 400,
      attempts: [{ state: 'ended', endedAt: noon + 900, exit: { signal: 'SIGKILL' }, survivors: [7, 8] }],
    });
    expect(events.map(({ body }) => body)).toStrictEqual([{ kind: 'attempt_ended', attempt: 1, state: 'ended', signal: 'SIGKILL' }]);
  });

  test('whose shim died is lost, with what outlived the sweep', () => {
    const { task, events } = decided(atRunning, died('harness-1', { survivors: [9] }));
    expect(task).toMatchObject({
      usedMs: atRunning.usedMs + 300,
      attempts: [{ state: 'lost', endedAt: task.updatedAt, startedAt: noon + 500, survivors: [9] }],
      processes: [{}, { state: 'dead' }],
    });
    expect(events.map(({ body }) => body)).toStrictEqual([
      { kind: 'process_lost', attempt: 1, role: 'harness', ordinal: 0 },
      { kind: 'attempt_ended', attempt: 1, state: 'lost' },
    ]);
  });

  test.each([
    ['exited', exited('harness-1', { code: 3 }), noon + 500],
    ['died', died(), situations['running, not owned']!.updatedAt],
  ])('has started also if it %s before that was recorded', (_, end, startedAt) => {
    expect(after(situations['running, not owned']!, end).attempts[0]).toMatchObject({ startedAt });
  });

  test('that is revoked again and again is given up, although none of its attempts is charged', () => {
    const revoke = (task: Task): Task => {
      const number = task.attempts.length + 1;
      return after(task, claim, start(number), { kind: 'revoked', directory: `harness-${number}` });
    };
    const prepared = after(created(), claim, openWorkspace, setBase, { kind: 'release', message: 'busy', notBefore: noon });
    // The one that was given back before it had a directory was no start.
    const waiting = Array.from({ length: 9 }).reduce(revoke, prepared);
    expect(waiting).toMatchObject({ state: 'created', attempts: { length: 10 } });
    expect(revoke(waiting)).toMatchObject({
      state: 'failed',
      failure: { reason: 'internal', message: "10 attempts could not be started; the daemon's log says more" },
    });
  });

  test('has its model calls in the ledger, with the batch that told them', () => {
    const calls = [{ attempt: 1, callId: 'a', provenance: 'reported' as const }];
    const batch = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 20, events: [] } as const;
    expect(decided(atRunning, { ...batch, calls }).ledger).toEqual({ attempt: 1, entries: calls, whole: false });
    expect(decided(atRunning, { ...batch, calls: [] })).not.toHaveProperty('ledger');
    expect(decided(atRunning, batch)).not.toHaveProperty('ledger');
  });

  test('records what it says in gapless ranges, with what a watcher sees', () => {
    const event = { kind: 'text', source: 'stdout', endsAt: 20 } as const;
    const batch = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 20, events: [event], live: { turns: 2 } } as const;
    const { task, events } = decided(atRunning, batch);
    expect(task.attempts[0]).toMatchObject({ recorded: { stdout: 20, stderr: 0 }, live: { turns: 2 } });
    expect(events.map(({ body }) => body)).toStrictEqual([
      { kind: 'harness', attempt: 1, event },
      { kind: 'output_recorded', attempt: 1, source: 'stdout', from: 0, to: 20 },
    ]);
    for (const [from, to] of [
      [0, 20],
      [10, 30],
      [21, 30],
      [20, 20],
      [20, 19],
    ] as const) {
      expect(decide(task, { ...batch, from, to }, task.updatedAt), `${from}-${to}`).toMatchObject({ refused: 'stale' });
    }
    expect(after(task, { ...batch, from: 20, to: 21 }, { ...batch, source: 'stderr', to: 5 }).attempts[0]).toMatchObject({
      recorded: { stdout: 21, stderr: 5 },
    });
  });
});

describe('a setup command', () => {
  const atSetup = situations['assigned, setup open']!;

  test.each([
    ['its exit code', { code: 3 }, 'no network', 'setup_failed', 'no network'],
    ['its exit code, without a word', { code: 3 }, undefined, 'setup_failed', 'setup command 1 failed'],
    ['a signal', { code: null, signal: 'SIGSEGV' }, undefined, 'setup_failed', 'setup command 1 failed'],
    ['too much output, whatever its code', { code: 0, stop: 'output_limit' }, undefined, 'setup_failed', 'setup command 1 failed'],
    [
      'an end that nobody wanted',
      { code: null, signal: 'SIGKILL', stop: 'terminate' },
      undefined,
      'setup_failed',
      'setup command 1 failed',
    ],
    [
      "the task's time limit",
      { code: 0, stop: 'timeout' },
      undefined,
      'timeout',
      'the task used up its 3600 s; raise the limit timeout, or split the task',
    ],
  ] as const)('fails the task by %s', (_, exit, message, reason, said) => {
    const { task, events, completion } = decided(atSetup, {
      kind: 'exited',
      directory: 'setup-1-0',
      exit: anExit(exit),
      ...(message === undefined ? {} : { message }),
    });
    expect(task).toMatchObject({ state: 'failed', failure: { reason, message: said }, attempts: [{ state: 'revoked', charged: false }] });
    expect(events[0]?.body).toStrictEqual({
      kind: 'setup_finished',
      attempt: 1,
      ordinal: 0,
      passed: false,
      durationMs: 400,
      ...(exit.code === null ? {} : { exitCode: exit.code }),
      ...('signal' in exit ? { signal: exit.signal } : {}),
      ...(message === undefined ? {} : { message }),
    });
    expect(completion).toMatchObject({ attemptCount: 0, outcome: reason === 'timeout' ? 'timeout' : 'failure' });
  });

  const full = exited('setup-1-0', { code: null, signal: 'SIGKILL', stop: 'disk_full' });

  test('that was stopped for a full disk waits outside the queue, and runs again in the next attempt', () => {
    const parked = after(atSetup, full);
    expect(parked).toMatchObject({
      state: 'blocked',
      blocked: {
        reason: 'disk_full',
        message: expect.stringMatching(/^less than .* that setup command 1 writes to; free some space/) as string,
        from: 'created',
      },
      attempts: [{ state: 'revoked', charged: false }],
    });
    expect(parked.blocked?.until).toBeGreaterThan(parked.updatedAt + 47_000);
    expect(parked.blocked?.until).toBeLessThanOrEqual(parked.updatedAt + 60_000);
    expect(after(parked, { kind: 'unblock' }, claim, { ...setup, directory: 'setup-2-0' })).toMatchObject({ attempts: { length: 2 } });
  });

  test('that was stopped for a full disk fails the task where no waiting is wanted, and ends with a stop', () => {
    const unwilling = { ...atSetup, spec: { ...atSetup.spec, retry: { disk_full: { retry: false } } } };
    expect(after(unwilling, full)).toMatchObject({ state: 'failed', failure: { reason: 'disk_full' } });
    const stopped = after(atSetup, cancel, full);
    expect(stopped).toMatchObject({ state: 'cancelled' });
    expect(stopped).not.toHaveProperty('blocked');
  });

  test('that the daemon gave up is not at fault: it runs again, unless the driver fails the task', () => {
    const given = after(atSetup, exited('setup-1-0', { code: null, signal: 'SIGKILL', stop: 'given_up' }));
    expect(given).toMatchObject({ state: 'assigned', attempts: [{ state: 'prepared' }] });
    expect(after(given, { ...setup, directory: 'setup-1-0-2' }).processes).toHaveLength(2);
  });

  test('that a shim killed for the switch, while no daemon was there to record it, ends the task by it', () => {
    const killed = after(atSetup, exited('setup-1-0', { code: null, signal: 'SIGKILL', stop: 'kill' }));
    expect(killed).toMatchObject({ state: 'failed', failure: { reason: 'killed', message: 'killed by the kill switch' } });
  });

  test('runs again when its shim died, uncharged, and is given up after three', () => {
    const again = (task: Task): Task => after(task, { ...setup, directory: `setup-1-0-${task.processes.length}` });
    const twice = after(again(after(again(after(atSetup, died('setup-1-0'))), died('setup-1-0-1', { survivors: [3] }))));
    expect(twice).toMatchObject({ state: 'assigned', usedMs: 600, attempts: [{ state: 'prepared', survivors: [3] }] });
    const { task, events } = decided(twice, died('setup-1-0-2', { survivors: [4] }));
    expect(task).toMatchObject({
      state: 'failed',
      failure: { reason: 'setup_failed', message: 'setup command 1 could not be run: its shim died 3 times' },
      attempts: [{ state: 'revoked', charged: false, survivors: [3, 4] }],
    });
    expect(events.map(({ body }) => body.kind)).toEqual(['process_lost', 'state_changed', 'completed']);
    expect(after(again(after(atSetup, died('setup-1-0'))), exited('setup-1-0-1'))).toMatchObject({ state: 'assigned' });
  });

  test('that the daemon won is simply run again', () => {
    const revoked = after(atSetup, { kind: 'revoked', directory: 'setup-1-0' });
    expect(revoked).toMatchObject({ state: 'assigned', usedMs: 0, attempts: [{ state: 'prepared' }], processes: [{ state: 'revoked' }] });
    expect(after(revoked, { ...setup, directory: 'setup-1-0-1' }).processes).toHaveLength(2);
  });

  test('that passed is not run again in the same attempt, and is in the next', () => {
    const two = created({ setup: ['a', 'b'] });
    const first = { kind: 'open_process', role: 'setup', ordinal: 0, directory: 's0' } as const;
    const passed = after(two, claim, openWorkspace, first, exited('s0'));
    expect(decide(passed, { ...first, directory: 's0-2' }, passed.updatedAt)).toMatchObject({ refused: 'stale' });
    expect(decide(passed, { kind: 'set_base', base: { commit: 'b', tree: 't' } }, passed.updatedAt)).toMatchObject({
      refused: 'illegal_transition',
    });
    const again = after(passed, { kind: 'release', message: 'later', notBefore: noon }, claim);
    expect(after(again, { ...first, directory: 's0-3' }).processes).toMatchObject([{ attempt: 2, ordinal: 0 }]);
  });
});

describe('a gate', () => {
  const opening = { kind: 'open_process', role: 'gate', ordinal: 0, directory: 'g1' } as const;
  const result = (set: Partial<GateResult> = {}): GateResult => ({
    attempt: 1,
    ordinal: 0,
    name: 'test',
    kind: 'test',
    required: true,
    verdict: 'failed',
    startedAt: noon,
    endedAt: noon + 400,
    ...set,
  });
  const inReview = (required: boolean, timeoutMs = limits.timeoutMs): Task => {
    const task = created({ gates: [aGate('test', { required, kind: 'test' })], limits: { ...limits, timeoutMs } });
    return { ...situations['review']!, spec: task.spec, usedMs: 400 };
  };

  test('leaves its result and says how it went', () => {
    const gate = result({ exitCode: 1, message: 'one test failed', hint: 'mend it' });
    const { task, events } = decided(inReview(true), opening, { kind: 'exited', directory: 'g1', exit: anExit({ code: 1 }), gate });
    expect(task).toMatchObject({ state: 'in_review', usedMs: 800, gateResults: [gate] });
    expect(events.map(({ body }) => body)).toStrictEqual([
      {
        kind: 'gate_finished',
        attempt: 1,
        ordinal: 0,
        name: 'test',
        verdict: 'failed',
        durationMs: 400,
        exitCode: 1,
        message: 'one test failed',
        hint: 'mend it',
      },
    ]);
  });

  test('without a verdict tells nothing', () => {
    const open = after(inReview(true), opening);
    expect(decide(open, exited('g1'), open.updatedAt)).toMatchObject({ refused: 'stale', message: 'the gate in g1 has no verdict' });
  });

  test.each([
    ['its own time limit', 'timeout', 599, false, 'in_review', undefined],
    ["the task's", 'timeout', 600, false, 'failed', 'timeout'],
    ["the task's, and a stop that came later", 'timeout', 600, true, 'failed', 'timeout'],
    ['its own, and a stop that came later', 'timeout', 599, true, 'cancelled', 'cancelled'],
    ['the end of all time without reaching a limit', undefined, 600, false, 'in_review', undefined],
  ] as const)('meets %s', (_, limit, durationMs, stopped, state, reason) => {
    const exit = anExit({ durationMs, code: 1, ...(limit ? { stop: limit } : {}) });
    const { task } = decided(inReview(true), opening, ...(stopped ? [cancel] : []), {
      kind: 'exited',
      directory: 'g1',
      exit,
      gate: result(),
    });
    expect([task.state, task.failure?.reason]).toEqual([state, reason]);
    expect(task.gateResults).toHaveLength(1);
  });

  test.each(['cancel', 'terminate', 'kill'] as const)('that was stopped with its task has no result: %s', (kind) => {
    const gate = result({ verdict: 'errored' });
    const ended: Command = { kind: 'exited', directory: 'g1', exit: anExit({ code: null, signal: 'SIGTERM', stop: kind }), gate };
    const { task, events, completion } = decided(inReview(true), opening, stop(kind), ended);
    expect(task).toMatchObject({ usedMs: 800, gateResults: [], attempts: [{ failure: { by: 'anna' } }] });
    expect(events.map(({ body }) => body.kind)).toEqual(['state_changed', 'completed']);
    expect(completion).toMatchObject({ qualityGatesRun: [], qualityGatesErrored: [] });
    expect(completion).not.toHaveProperty('qualityGatePassed');
  });

  test('that was stopped for a full disk has no result, and comes back to review', () => {
    const gate = result({ verdict: 'errored' });
    const ended: Command = { kind: 'exited', directory: 'g1', exit: anExit({ code: null, signal: 'SIGKILL', stop: 'disk_full' }), gate };
    const parked = after(inReview(true), opening, ended);
    expect(parked).toMatchObject({
      state: 'blocked',
      blocked: { reason: 'disk_full', message: expect.stringMatching(/that gate test writes to/) as string, from: 'in_review' },
      gateResults: [],
    });
    expect(after(parked, { kind: 'unblock' }, claim, { ...opening, directory: 'g2' })).toMatchObject({
      state: 'in_review',
      attempts: { length: 1 },
    });
  });

  test('that had ended by itself when the stop came keeps its result', () => {
    const { task } = decided(inReview(true), opening, cancel, { kind: 'exited', directory: 'g1', exit: anExit(), gate: result() });
    expect(task).toMatchObject({ state: 'cancelled', gateResults: [{ name: 'test' }] });
  });

  test.each([
    ['required', true, 'failed', 'gate test could not run; its shim died 3 times'],
    ['optional', false, 'completed', undefined],
  ] as const)('whose shim died three times is errored like any that could not run: %s', (_, required, state, message) => {
    const lost = (task: Task): Task =>
      [1, 2].reduce((each, run) => after(each, { ...opening, directory: `g${run}` }, died(`g${run}`)), task);
    const { task, events } = decided(lost(inReview(required, 100_000)), { ...opening, directory: 'g3' }, died('g3', { survivors: [5] }));
    expect(task).toMatchObject({ state: 'in_review', attempts: [{ survivors: [5] }] });
    expect(task.gateResults).toStrictEqual([
      {
        attempt: 1,
        ordinal: 0,
        name: 'test',
        kind: 'test',
        required,
        verdict: 'errored',
        message: 'its shim died 3 times',
        startedAt: task.updatedAt - 1_000,
        endedAt: task.updatedAt,
      },
    ]);
    expect(events.map(({ body }) => body.kind)).toEqual(['process_lost', 'gate_finished']);
    const ended = after(task, { kind: 'judged' });
    expect([ended.state, ended.failure?.message]).toEqual([state, message]);
  });

  test('that could not be started because the daemon won is run again', () => {
    const revoked = after(inReview(true), opening, { kind: 'revoked', directory: 'g1' });
    expect(after(revoked, { ...opening, directory: 'g2' }).processes.at(-1)).toMatchObject({ directory: 'g2', state: 'open' });
  });

  test('is never run before the attempt is handed in', () => {
    expect(decide(atRunning, opening, atRunning.updatedAt)).toMatchObject({ refused: 'illegal_transition' });
    expect(after(atRunning, exited(), reconciled(), opening)).toMatchObject({ state: 'in_review' });
  });
});
