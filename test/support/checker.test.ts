import type { Attempt, TaskCompletionEvent, TaskEvent } from '@singletree/sdk';
import { describe, expect, test } from 'vitest';
import { promises, requestLabel, violationsOf } from './checker.ts';
import type { Call, History, Left, Start, Stream, TaskRecord } from './history.ts';
import type { Ledger } from './ledger.ts';

/** A history in which everything went well, and for each promise ways to break it. A checker that checks nothing fails here. */

type Open<T> = T extends Date | Uint8Array
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? Map<K, V>
    : T extends object
      ? { -readonly [K in keyof T]: Open<T[K]> }
      : T;

const at = new Date('2026-11-21T12:00:00Z');
const limits = { maxAttempts: 3, maxOutputBytes: 1_000, timeoutMs: 1_000 };
const done = 'a1';
const stoppedTask = 'b2';
const attempt = (number: number, more: Partial<Attempt> = {}): Attempt => ({
  number,
  state: 'ended',
  harness: 'fake',
  resumed: number > 1,
  preparedAt: at,
  startedAt: at,
  endedAt: at,
  charged: true,
  survivors: [],
  costLowerBound: false,
  usageByModel: [],
  ...more,
});
const completion = (taskId: string, more: object): TaskCompletionEvent =>
  ({
    eventId: taskId,
    taskId,
    completedAt: new Date(at.getTime() + 5_000),
    outcome: 'success',
    retryCount: 0,
    ...more,
  }) as TaskCompletionEvent;
const events = (...bodies: readonly object[]): TaskEvent[] =>
  bodies.map((body, index) => ({ taskId: 't', sequence: index + 1, at, ...body }) as unknown as TaskEvent);
const edge = (fromState: string, toState: string): object => ({ kind: 'state_changed', stateChanged: { fromState, toState } });
const recordedRange = (attempt: number, fromOffset: number, toOffset: number): object => ({
  kind: 'output_recorded',
  attempt,
  outputRecorded: { source: 'stdout', fromOffset, toOffset },
});
const call = (more: Partial<Call>): Call => ({
  kind: 'create',
  requestId: 'r',
  begin: at.getTime(),
  end: at.getTime() + 1,
  result: { kind: 'unknown', why: 'cut' },
  ...more,
});

/** The spans of a task as they come by OTLP: fields 1 > 2 > 2 hold a span, whose trace id is field 1 and whose name is field 5. */
function spansOf(taskId: string, name = 'task'): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Uint8Array => Uint8Array.from([number * 8 + 2, bytes.length, ...bytes]);
  const span = Buffer.concat([field(1, Buffer.from(taskId, 'hex')), field(5, Buffer.from(name))]);
  return field(1, field(2, field(2, span)));
}

const usage = { provenance: 'reported', lowerBound: false } as const;

/** Lost once, then completed. */
function completedTask(): TaskRecord {
  const event = completion(done, { retryCount: 1 });
  const log = events(
    { kind: 'created' },
    edge('created', 'assigned'),
    edge('assigned', 'in_progress'),
    { kind: 'attempt_started', attempt: 1 },
    recordedRange(1, 0, 10),
    edge('in_progress', 'created'),
    edge('created', 'assigned'),
    edge('assigned', 'in_progress'),
    { kind: 'attempt_started', attempt: 2 },
    recordedRange(2, 0, 20),
    recordedRange(2, 20, 50),
    { kind: 'frozen', frozen: { ref: 'refs/singletree/a1/2', commit: 'c0ffee' } },
    edge('in_progress', 'in_review'),
    edge('in_review', 'completed'),
    { kind: 'completed', completed: event },
  );
  const attempts = [
    attempt(1, { state: 'lost', charged: false, failure: { reason: 'lost', message: 'gone' }, usage: { ...usage, outputTokens: 3 } }),
    attempt(2, { evidence: { result: 'completed' }, usage: { ...usage, outputTokens: 5, reasoningOutputTokens: 0 }, costUsdMicros: 7 }),
  ];
  const task = {
    id: done,
    title: 'plain 1',
    state: 'completed' as const,
    lastSequence: log.length,
    labels: { [requestLabel]: 'first' },
    attempts,
    limits,
    completion: event,
  };
  const ledger: Ledger = [
    { attempt: 1, callId: 'a', usage: { ...usage, outputTokens: 3 } },
    { attempt: 2, callId: 'a', usage: { ...usage, outputTokens: 4 }, costUsdMicros: 6 },
    { attempt: 2, usage: { ...usage, outputTokens: 1, reasoningOutputTokens: 0 }, costUsdMicros: 1 },
  ];
  return { task, readings: [log, structuredClone(log)], ledger };
}

function cancelledTask(): TaskRecord {
  const failure = { reason: 'cancelled' as const, message: 'cancelled by a client' };
  const event = completion(stoppedTask, { outcome: 'failure', failure });
  const log = events({ kind: 'created' }, { kind: 'stop_requested', stopRequested: { kind: 'cancel' } }, edge('created', 'cancelled'), {
    kind: 'completed',
    completed: event,
  });
  const task = {
    id: stoppedTask,
    title: 'plain 2',
    state: 'cancelled' as const,
    lastSequence: log.length,
    labels: { [requestLabel]: 'second' },
    attempts: [],
    limits,
    failure,
    completion: event,
  };
  return { task, readings: [log] };
}

function goodHistory(): Open<History> {
  const tasks = [completedTask(), cancelledTask()];
  const [log = []] = tasks[0]!.readings;
  const calls: Call[] = [
    call({ requestId: 'first' }),
    call({ requestId: 'first', result: { kind: 'answered', taskId: done, state: 'created' } }),
    call({ requestId: 'second' }),
    call({ requestId: 'never' }),
    call({ requestId: 'refused', result: { kind: 'refused', reason: 'INVALID_ARGUMENT' } }),
    call({ kind: 'cancel', requestId: 'stop', taskId: stoppedTask, result: { kind: 'answered', taskId: stoppedTask, state: 'cancelled' } }),
    call({
      kind: 'cancel',
      requestId: 'late',
      taskId: done,
      end: at.getTime() + 6_000,
      result: { kind: 'refused', reason: 'ILLEGAL_TRANSITION' },
    }),
  ];
  const streams: Stream[] = [
    { taskId: done, afterSequence: 0, events: log.slice(0, 6), whole: false },
    { taskId: done, afterSequence: 6, events: log.slice(6), whole: true },
  ];
  const starts: Start[] = [1, 2].map((number) => ({ taskId: done, attempt: number, process: 'harness-0-1' }));
  const left: Left = {
    leases: [{ taskId: done, state: 'in_review' }],
    openDirectories: [],
    worktrees: [],
    processes: [],
    outputs: new Map([
      ['a1/1/stdout', 10],
      ['a1/2/stdout', 50],
    ]),
    refs: new Map([['refs/singletree/a1/2', 'c0ffee']]),
  };
  const sightings = [
    { taskId: done, state: 'in_progress' as const },
    { taskId: done, state: 'completed' as const },
  ];
  const deliveries = [
    { body: spansOf(done), acknowledged: false },
    { body: spansOf(done), acknowledged: true },
    { body: spansOf(stoppedTask), acknowledged: true },
  ];
  return { calls, streams, sightings, tasks, starts, deliveries, left } as Open<History>;
}

test('a history in which all went well breaks no promise', () => expect(violationsOf(goodHistory())).toEqual([]));

type Break = (history: Open<History>) => void;
const taskOf = (history: Open<History>, index = 0) => history.tasks[index]!;
const logOf = (history: Open<History>, index = 0) => taskOf(history, index).readings[0]!;
const eventOf = <K extends TaskEvent['kind']>(history: Open<History>, kind: K, index = 0): Open<Extract<TaskEvent, { kind: K }>> =>
  logOf(history, index).find((event) => event.kind === kind) as unknown as Open<Extract<TaskEvent, { kind: K }>>;

const breaks: Readonly<Record<keyof typeof promises, Readonly<Record<string, Break>>>> = {
  'an accepted task is never lost, and is made once': {
    'an answered task is not there': (h) => void h.tasks.shift(),
    'one request, two tasks': (h) => void h.tasks.push({ ...taskOf(h), task: { ...taskOf(h).task, id: 'a2' } }),
    'a lost answer, two tasks': (h) => void h.tasks.push({ ...taskOf(h, 1), task: { ...taskOf(h, 1).task, id: 'b3' } }),
    'refused, and made': (h) => void (taskOf(h, 1).task.labels[requestLabel] = 'refused'),
    'answered, and then refused': (h) =>
      void h.calls.push(call({ requestId: 'first', begin: at.getTime() + 9, result: { kind: 'refused', reason: 'INTERNAL' } })),
    'nobody asked': (h) => void (taskOf(h, 1).task.labels[requestLabel] = 'unheard'),
  },
  'a task has one final state and never leaves it': {
    'still at work': (h) => void (taskOf(h).task.state = 'in_progress'),
    'was final and went on': (h) => void h.sightings.push({ taskId: done, state: 'in_review' }),
    'was final and is something else': (h) => void (h.sightings[1]!.state = 'failed'),
    'an edge after the last': (h) => void logOf(h).push({ sequence: 16, ...edge('completed', 'failed') } as never),
    'edges that do not join': (h) => void (eventOf(h, 'state_changed').stateChanged.fromState = 'in_review'),
  },
  'a final task has one completion event, which agrees with it': {
    'no event': (h) => void delete taskOf(h).task.completion,
    'an event too early': (h) => void (taskOf(h).task.state = 'in_review'),
    'two in the log': (h) => void logOf(h).push(logOf(h).at(-1)!),
    'none in the log': (h) => void logOf(h).pop(),
    'not the last': (h) => void logOf(h).push({ kind: 'warning', sequence: 16 } as never),
    'another outcome': (h) => void (taskOf(h).task.completion!.outcome = 'failure'),
    'another event': (h) => void (eventOf(h, 'completed').completed = { ...taskOf(h).task.completion!, retryCount: 7 }),
    'another task': (h) => void (taskOf(h).task.completion!.taskId = 'x'),
    'another reason': (h) => void (taskOf(h, 1).task.failure = { reason: 'lost', message: 'gone' }),
    'completed for a reason': (h) => {
      const failure = { reason: 'lost' as const, message: 'gone' };
      Object.assign(taskOf(h).task, { failure, completion: { ...taskOf(h).task.completion, failure } });
    },
    'cancelled by nobody': (h) => {
      const failure = { reason: 'lost' as const, message: 'gone' };
      Object.assign(taskOf(h, 1).task, { failure, completion: { ...taskOf(h, 1).task.completion, failure } });
    },
    'another last edge': (h) => void (taskOf(h).task.state = 'failed'),
  },
  'events are gapless and the same at every reading': {
    'a gap': (h) => void logOf(h).splice(4, 1),
    'none at all': (h) => void (taskOf(h).readings[0] = []),
    'one missing at the end': (h) => void (taskOf(h).task.lastSequence += 1),
    'another reading': (h) => void (taskOf(h).readings[1] = logOf(h).slice(1)),
  },
  'a watcher sees every event once and in order': {
    'an event twice': (h) => void h.streams[0]!.events.push(h.streams[0]!.events.at(-1)!),
    'one left out': (h) => void h.streams[1]!.events.splice(2, 1),
    'one before another': (h) => void (h.streams[1]!.events = h.streams[1]!.events.toReversed()),
    'another content': (h) => void (h.streams[0]!.events[0] = { ...h.streams[0]!.events[0]!, taskId: 'x' } as never),
    'closed too early': (h) => void h.streams[1]!.events.pop(),
    'begun in the wrong place': (h) => void (h.streams[1]!.afterSequence = 5),
  },
  'nothing is started twice': {
    'an agent': (h) => void h.starts.push(h.starts[1]!),
    'a gate': (h) => void h.starts.push(...Array.from({ length: 2 }, () => ({ taskId: done, attempt: 2, process: 'gate-0-1' }))),
    'in an attempt that never started': (h) => void delete taskOf(h).task.attempts[0]!.startedAt,
    'in an attempt that is not there': (h) => void h.starts.push({ taskId: done, attempt: 3, process: 'harness-0-1' }),
    'completed without an agent': (h) => void h.starts.pop(),
  },
  'the output is recorded to its last byte': {
    'bytes left out': (h) => void (eventOf(h, 'output_recorded').outputRecorded.fromOffset = 3),
    'bytes twice': (h) => void logOf(h).push(eventOf(h, 'output_recorded')),
    'not to the end': (h) => void h.left!.outputs.set('a1/2/stdout', 51),
    'more than there was': (h) => void h.left!.outputs.delete('a1/1/stdout'),
  },
  'the ledger of an attempt adds up to what it used': {
    'a call that is not there': (h) => void taskOf(h).ledger!.splice(1, 1),
    'a call of another attempt': (h) => void (taskOf(h).ledger![0]!.attempt = 2),
    'a call twice': (h) => void (taskOf(h).ledger![2]!.callId = 'a'),
    'other tokens': (h) => void (taskOf(h).ledger![2]!.usage!.reasoningOutputTokens = 7),
    'another cost': (h) => void (taskOf(h).ledger![1]!.costUsdMicros = 5),
    'no entry at all': (h) => void (taskOf(h).ledger = []),
  },
  'telemetry comes at least once, and the same each time': {
    'in other words': (h) => void (h.deliveries![0]!.body = spansOf(done, 'TASK')),
    'never acknowledged': (h) => void (h.deliveries![1]!.acknowledged = false),
    'not at all': (h) => void h.deliveries!.pop(),
    'of no task': (h) => void h.deliveries!.push({ body: spansOf('cc'), acknowledged: true }),
    'before the end': (h) => void (taskOf(h, 1).task.state = 'created'),
  },
  'nothing is left': {
    'a process': (h) => void h.left!.processes.push({ pid: 7, command: 'sleep 300' }),
    'a directory': (h) => void h.left!.openDirectories.push('a1/1/harness-0-1'),
    'a worktree': (h) => void h.left!.worktrees.push('/state/worktrees/a1'),
    'a lease of a task that waits': (h) => void h.left!.leases.push({ taskId: 'c', state: 'blocked' }),
    'a lease of a final task': (h) => void h.left!.leases.push({ taskId: 'c', state: 'failed' }),
  },
  'the work is kept': {
    'no ref': (h) => h.left!.refs.clear(),
    'another commit': (h) => void h.left!.refs.set('refs/singletree/a1/2', 'bad'),
  },
  'a stop is the end': {
    'acknowledged and forgotten': (h) =>
      void h.calls.push(call({ kind: 'cancel', taskId: done, result: { kind: 'answered', taskId: done, state: 'in_review' } })),
    'recorded and without effect': (h) => void logOf(h).push({ kind: 'stop_requested', stopRequested: { kind: 'cancel' } } as never),
    'refused before the end': (h) => void (h.calls.at(-1)!.end = at.getTime() + 4_000),
    'nobody asked': (h) => void (h.calls = h.calls.filter(({ kind }) => kind === 'create')),
    'cancelled without a stop': (h) => void logOf(h, 1).splice(1, 1),
    'terminated instead of cancelled': (h) => void (taskOf(h, 1).task.failure!.reason = 'terminated'),
    'the process was stopped for something else': (h) => void (taskOf(h).task.attempts[1]!.stoppedBy = { kind: 'timeout', at }),
  },
  'attempts are retried and charged by policy': {
    'started twice': (h) => void logOf(h).splice(4, 0, eventOf(h, 'attempt_started')),
    'too many': (h) => void (taskOf(h).task.limits.maxAttempts = 0),
    'lost and charged': (h) => void (taskOf(h).task.attempts[0]!.charged = true),
    'never started and charged': (h) =>
      void Object.assign(taskOf(h).task.attempts[0]!, { charged: true, state: 'revoked', startedAt: undefined, failure: undefined }),
    'without a reason': (h) => void delete taskOf(h).task.attempts[0]!.failure,
    'still running': (h) => void (taskOf(h).task.attempts[0]!.state = 'started'),
    'numbers left out': (h) => void (taskOf(h).task.attempts[1]!.number = 3),
    'another count of retries': (h) => void (taskOf(h).task.completion!.retryCount = 0),
  },
};

describe.each(Object.keys(promises) as (keyof typeof promises)[])('%s', (promise) => {
  test.each(Object.entries(breaks[promise]))('broken by: %s', (_, breakIt) => {
    const history = structuredClone(goodHistory());
    breakIt(history);
    expect(promises[promise](history as History)).not.toEqual([]);
  });
});
