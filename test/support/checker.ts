import type { Attempt, FailureReason, Outcome, TaskEvent, TaskState } from '@singletree/sdk';
import { decodeSpans } from '@singletree/testing';
import type { Call, History, TaskRecord, TaskSeen } from './history.ts';
import { differences } from './ledger.ts';

/** Says in a sentence each how a history breaks a promise; nothing if it keeps it. */
type Promised = (history: History) => readonly string[];

/** Every promise by its name. */
export const promises = {
  'an accepted task is never lost, and is made once': accepted,
  'a task has one final state and never leaves it': ended,
  'a final task has one completion event, which agrees with it': completed,
  'events are gapless and the same at every reading': recorded,
  'a watcher sees every event once and in order': watched,
  'nothing is started twice': started,
  'the output is recorded to its last byte': recordedOutput,
  'the ledger of an attempt adds up to what it used': addedUp,
  'telemetry comes at least once, and the same each time': delivered,
  'nothing is left': nothingLeft,
  'the work is kept': kept,
  'a stop is the end': stopped,
  'attempts are retried and charged by policy': retried,
} as const satisfies Record<string, Promised>;

/** All that is wrong with a history. */
export function violationsOf(history: History): readonly string[] {
  return Object.entries(promises).flatMap(([name, promised]) => promised(history).map((what) => `${name}: ${what}`));
}

/** The label under which a task carries the request id that made it, so that it is known whatever became of the answer. */
export const requestLabel = 'request';

const finalStates: readonly TaskState[] = ['completed', 'failed', 'cancelled'];
const isFinal = (state: TaskState): boolean => finalStates.includes(state);

function accepted({ calls, tasks }: History): string[] {
  const tries = Map.groupBy(
    calls.filter(({ kind }) => kind === 'create'),
    ({ requestId }) => requestId,
  );
  const made = Map.groupBy(tasks, ({ task }) => task.labels[requestLabel] ?? '');
  const ofRequests = [...tries].flatMap(([requestId, each]) => {
    const ids = (made.get(requestId) ?? []).map(({ task }) => task.id);
    const told = new Set(each.flatMap(({ result }) => (result.kind === 'answered' ? [result.taskId] : [])));
    const mayBe = each.some(({ result }) => result.kind !== 'refused');
    return [
      ...[...told].filter((id) => !ids.includes(id)).map((id) => `request ${requestId} was answered with task ${id}, which is not there`),
      ...(ids.length > 1 ? [`request ${requestId} made ${ids.length} tasks: ${ids.join(', ')}`] : []),
      ...(isRefusedAfterAnswer(each) ? [`request ${requestId} was answered, and refused when it came again`] : []),
      ...(ids.length > 0 && !mayBe ? [`request ${requestId} was refused and made task ${ids.join(', ')}`] : []),
    ];
  });
  const unasked = [...made].filter(([requestId]) => !tries.has(requestId)).flatMap(([, records]) => records);
  return [...ofRequests, ...unasked.map(({ task }) => `nobody has asked for task ${task.id}`)];
}

function ended({ tasks, sightings }: History): string[] {
  const unfinished = tasks.filter(({ task }) => !isFinal(task.state)).map(({ task }) => `task ${task.id} is still ${task.state}`);
  const states = new Map(tasks.map(({ task }) => [task.id, task.state]));
  const final = new Map<string, TaskState>();
  const left = sightings.flatMap(({ taskId, state }) => {
    const before = final.get(taskId);
    if (isFinal(state)) final.set(taskId, state);
    return before !== undefined && before !== state ? [`task ${taskId} was ${before} and then ${state}`] : [];
  });
  const changed = [...final].filter(([id, state]) => states.has(id) && states.get(id) !== state);
  const edges = tasks.flatMap(({ task, readings }) =>
    readings.flatMap((events) => {
      let at: TaskState = 'created';
      return events.flatMap((event) => {
        if (event.kind !== 'state_changed') return [];
        const { fromState, toState } = event.stateChanged;
        const wrong = fromState !== at || isFinal(at) ? [`task ${task.id} was ${at} and went from ${fromState} to ${toState}`] : [];
        at = toState;
        return wrong;
      });
    }),
  );
  return [...unfinished, ...left, ...changed.map(([id, state]) => `task ${id} was ${state} and is ${states.get(id)}`), ...edges];
}

function isRefusedAfterAnswer(tries: readonly Call[]): boolean {
  const answeredAt = Math.min(...tries.flatMap(({ result, end }) => (result.kind === 'answered' ? [end] : [])));
  return tries.some(({ result, begin }) => result.kind === 'refused' && begin > answeredAt);
}

const timeLimits: readonly FailureReason[] = ['timeout', 'attempt_timeout'];

function completed({ tasks }: History): string[] {
  return tasks.flatMap(({ task, readings }) => {
    if (!isFinal(task.state)) return task.completion ? [`task ${task.id} is ${task.state} and has a completion event`] : [];
    const { completion, failure, state } = task;
    if (!completion) return [`task ${task.id} is ${state} without a completion event`];
    const reason = completion.failure?.reason;
    const wrong = (is: boolean, what: string): string[] => (is ? [`task ${task.id} (${state}, ${reason ?? 'no reason'}): ${what}`] : []);
    return [
      ...readings.flatMap((events) => [
        ...wrong(events.filter(({ kind }) => kind === 'completed').length !== 1, 'its log has not one completion event'),
        ...wrong(events.at(-1)?.kind !== 'completed', 'the completion event is not its last'),
        ...wrong(lastStateOf(events) !== state, `its last edge leads to ${lastStateOf(events)}`),
        ...wrong(
          events.some((event) => event.kind === 'completed' && !same(event.completed, completion)),
          'its event differs from it',
        ),
      ]),
      ...wrong(completion.taskId !== task.id || completion.eventId !== task.id, `its event is about ${completion.taskId}`),
      ...wrong(!same(completion.failure, failure), `it failed for ${failure?.reason ?? 'no reason'}`),
      ...wrong((reason === undefined) !== (state === 'completed'), 'what is not completed has a reason, and nothing else has'),
      ...wrong((reason === 'cancelled' || reason === 'terminated') !== (state === 'cancelled'), 'only a stop cancels'),
      ...wrong(!outcomesOf(state, reason).includes(completion.outcome), `its outcome is ${completion.outcome}`),
    ];
  });
}

function outcomesOf(state: TaskState, reason: FailureReason | undefined): readonly Outcome[] {
  if (state === 'completed') return ['success', 'partial'];
  if (reason !== undefined && timeLimits.includes(reason)) return ['timeout'];
  return state === 'failed' && reason !== 'killed' ? ['failure', 'partial'] : ['failure'];
}

function lastStateOf(events: readonly TaskEvent[]): TaskState {
  return events.reduce<TaskState>((state, event) => (event.kind === 'state_changed' ? event.stateChanged.toState : state), 'created');
}

function recorded({ tasks }: History): string[] {
  return tasks.flatMap(({ task, readings }) => {
    const [first = [], ...others] = readings;
    const gap = first.findIndex(({ sequence }, index) => sequence !== index + 1);
    return [
      ...(first.length === 0 ? [`task ${task.id} has no events`] : []),
      ...(gap < 0 ? [] : [`event ${gap + 1} of task ${task.id} has the number ${first[gap]?.sequence}`]),
      ...(task.lastSequence === first.length ? [] : [`task ${task.id} has ${first.length} events, and says ${task.lastSequence}`]),
      ...others.filter((other) => !same(other, first)).map(() => `the events of task ${task.id} are not the same at another reading`),
    ];
  });
}

function watched({ streams, tasks }: History): string[] {
  const logs = new Map(tasks.map(({ task, readings }) => [task.id, readings[0] ?? []]));
  return streams.flatMap(({ taskId, afterSequence, events, whole }) => {
    const log = logs.get(taskId) ?? [];
    const name = `a stream of task ${taskId} after event ${afterSequence}`;
    const odd = events.findIndex(({ sequence }, index) => sequence !== afterSequence + index + 1);
    const other = events.findIndex((event, index) => odd < 0 && !same(event, log[afterSequence + index]));
    return [
      ...(odd < 0 ? [] : [`${name} has event ${events[odd]?.sequence} at place ${odd + 1}`]),
      ...(other < 0 ? [] : [`${name} tells event ${events[other]?.sequence} otherwise than the log`]),
      ...(whole && afterSequence + events.length !== log.length
        ? [`${name} was closed ${log.length - events.length} events too early`]
        : []),
    ];
  });
}

function started({ starts, tasks }: History): string[] {
  const attempts = new Map(tasks.flatMap(({ task }) => task.attempts.map((attempt) => [`${task.id}/${attempt.number}`, attempt])));
  const groups = Map.groupBy(starts, ({ taskId, attempt, process }) => `${taskId}/${attempt}/${process}`);
  const harnesses = new Set(starts.flatMap((start) => (start.process.startsWith('harness-') ? [`${start.taskId}/${start.attempt}`] : [])));
  return [
    ...[...groups].filter(([, { length }]) => length > 1).map(([name, { length }]) => `${name} was started ${length} times`),
    ...[...harnesses]
      .filter((name) => attempts.get(name)?.startedAt === undefined)
      .map((name) => `an agent worked on ${name}, which is ${attempts.get(name)?.state ?? 'not there'} and never started`),
    // One whose shim died, or that was stopped, may not have come so far as to write its line.
    ...[...attempts]
      .filter(([name, { evidence }]) => evidence?.result === 'completed' && !harnesses.has(name))
      .map(([name]) => `attempt ${name} has completed without an agent`),
  ];
}

function recordedOutput({ tasks, left }: History): string[] {
  return tasks.flatMap(({ task, readings }) =>
    task.attempts.flatMap(({ number }) =>
      (['stdout', 'stderr'] as const).flatMap((source) => {
        const name = `${task.id}/${number}/${source}`;
        let at = 0;
        const gaps = (readings[0] ?? []).flatMap((event) => {
          if (event.kind !== 'output_recorded' || event.attempt !== number || event.outputRecorded.source !== source) return [];
          const { fromOffset, toOffset } = event.outputRecorded;
          const wrong = fromOffset !== at || toOffset <= fromOffset ? [`${name} goes on from ${at} with ${fromOffset} to ${toOffset}`] : [];
          at = toOffset;
          return wrong;
        });
        const length = left && Math.min(left.outputs.get(name) ?? 0, task.limits.maxOutputBytes ?? Number.POSITIVE_INFINITY);
        return [...gaps, ...(length === undefined || at === length ? [] : [`${name} has ${length} bytes and is recorded up to ${at}`])];
      }),
    ),
  );
}

function delivered({ deliveries, tasks }: History): string[] {
  if (!deliveries) return [];
  const bodies = new Map<string, Set<string>>();
  const arrived = new Set<string>();
  for (const { body, acknowledged } of deliveries) {
    for (const traceId of new Set(decodeSpans(body).map((span) => span.traceId))) {
      bodies.set(traceId, (bodies.get(traceId) ?? new Set()).add(Buffer.from(body).toString('base64')));
      if (acknowledged) arrived.add(traceId);
    }
  }
  const ids = new Map(tasks.map(({ task }) => [task.id.replaceAll('-', ''), task]));
  return [
    ...[...ids].filter(([traceId]) => !arrived.has(traceId)).map(([, { id }]) => `the spans of task ${id} have not arrived`),
    ...[...bodies].filter(([, each]) => each.size > 1).map(([traceId]) => `the spans of trace ${traceId} came in different words`),
    ...[...bodies.keys()].filter((traceId) => !ids.has(traceId)).map((traceId) => `spans of trace ${traceId} are of no task`),
    ...[...bodies.keys()].filter((traceId) => !isFinal(ids.get(traceId)?.state ?? 'completed')).map((id) => `${id} came before its end`),
  ];
}

/** Where a task waits or has ended, nobody drives it. */
const withoutLease: readonly string[] = ['created', 'blocked', ...finalStates];

function nothingLeft({ left }: History): string[] {
  if (!left) return [];
  return [
    ...left.processes.map(({ pid, command }) => `process ${pid} lives: ${command}`),
    ...left.openDirectories.map((directory) => `process directory ${directory} is open`),
    ...left.worktrees.map((worktree) => `worktree ${worktree} is there`),
    ...left.leases.filter(({ state }) => withoutLease.includes(state)).map(({ taskId, state }) => `task ${taskId} is ${state} and leased`),
  ];
}

function kept({ tasks, left }: History): string[] {
  if (!left) return [];
  return tasks.flatMap(({ task, readings }) =>
    (readings[0] ?? []).flatMap((event) => {
      if (event.kind !== 'frozen') return [];
      const { ref, commit } = event.frozen;
      return left.refs.get(ref) === commit ? [] : [`${ref} of task ${task.id} is ${left.refs.get(ref) ?? 'gone'}, not ${commit}`];
    }),
  );
}

function addedUp({ tasks }: History): string[] {
  return tasks.flatMap(({ task, ledger }) => (ledger ? differences(task, ledger) : []));
}

/** What an attempt says of itself whose process was stopped for this first. Of the rest the life cycle makes something of its own. */
const reasonOf: Readonly<Record<string, FailureReason>> = {
  cancel: 'cancelled',
  terminate: 'terminated',
  kill_switch: 'killed',
  timeout: 'timeout',
  attempt_timeout: 'attempt_timeout',
  first_output: 'no_first_output',
  output_limit: 'output_limit',
  turn_limit: 'turn_limit',
  disk_full: 'disk_full',
  unsupervised: 'unsupervised',
};
const personal: readonly string[] = ['cancel', 'terminate', 'kill_switch'];
/** Limits: where one was reached before somebody's stop was acted on, it stays the cause. */
const limits: readonly FailureReason[] = [
  ...Object.entries(reasonOf).flatMap(([kind, reason]) => (personal.includes(kind) ? [] : [reason])),
  'stalled',
  'harness_never_ended',
  'no_progress',
];

function stopped({ tasks, calls }: History): string[] {
  const stops = Map.groupBy(
    calls.filter(({ kind }) => kind !== 'create'),
    ({ taskId }) => taskId ?? '',
  );
  return tasks.flatMap((record) => {
    const each = stops.get(record.task.id) ?? [];
    const ofAttempts = record.task.attempts.flatMap((attempt) => stopOfAttempt(record.task, attempt));
    return [...acknowledgedStops(record, each), ...refusedStops(record, each), ...causeOf(record, each), ...ofAttempts];
  });
}

/** Who was told that the task will be stopped finds the stop in its log. */
function acknowledgedStops({ task, readings }: TaskRecord, stops: readonly Call[]): string[] {
  const isRecorded = stopsIn(readings[0] ?? []).length > 0;
  const acknowledged = stops.filter(({ result }) => result.kind === 'answered');
  return isRecorded ? [] : acknowledged.map(({ kind }) => `the ${kind} of task ${task.id} was acknowledged and is not in its log`);
}

/** A stop is refused only where the task had ended before the answer. */
function refusedStops({ task }: TaskRecord, stops: readonly Call[]): string[] {
  const endedAt = task.completion?.completedAt.getTime() ?? Number.POSITIVE_INFINITY;
  const refused = stops.filter(({ result, end }) => result.kind === 'refused' && end < endedAt);
  return refused.map(({ kind }) => `the ${kind} of task ${task.id} was refused before its end`);
}

/** The first stop is the cause of the end, unless a limit or the kill switch was acted on before. Without a stop nothing is cancelled. */
function causeOf({ task, readings }: TaskRecord, calls: readonly Call[]): string[] {
  const stops = stopsIn(readings[0] ?? []);
  const [first] = stops;
  const reason = task.failure?.reason;
  const told = `task ${task.id} is ${task.state} (${reason ?? 'no reason'})`;
  // A shim reads the kill switch by itself, also while no daemon records anything, and may be faster than a cancel that was recorded before.
  const isKilled = reason === 'killed' && (stops.includes('kill_switch') || task.attempts.at(-1)?.stoppedBy?.kind === 'kill_switch');
  if (first === undefined) {
    const isStopped = task.state === 'cancelled' || (reason === 'killed' && !isKilled);
    return isStopped ? [`${told} although its log has no stop`] : [];
  }
  const unasked = first !== 'kill_switch' && !calls.some(({ result }) => result.kind !== 'refused');
  const isEnd = reason !== undefined && (isKilled || reason === reasonOf[first] || limits.includes(reason));
  return [
    ...(unasked ? [`task ${task.id} has a stop (${first}) that nobody asked for`] : []),
    ...(isEnd ? [] : [`${told} although it was stopped (${first})`]),
  ];
}

/** The kill switch gives back to the queue what had not begun yet: that one was not stopped. */
function stopsIn(events: readonly TaskEvent[]): string[] {
  return events.flatMap((event, index) => {
    if (event.kind !== 'stop_requested') return [];
    const after = events[index + 1];
    const isGivenBack = after?.kind === 'state_changed' && after.stateChanged.edge === 'release';
    return isGivenBack ? [] : [event.stopRequested.kind];
  });
}

/** What the shim acted on first is what the attempt ended for. */
function stopOfAttempt({ id }: TaskSeen, { number, stoppedBy, failure }: Attempt): string[] {
  const expected = stoppedBy && reasonOf[stoppedBy.kind];
  if (expected === undefined || failure?.reason === expected) return [];
  return [`attempt ${number} of task ${id} was stopped by ${stoppedBy?.kind} and ended for ${failure?.reason ?? 'no reason'}`];
}

const uncharged: readonly Attempt['state'][] = ['lost', 'revoked', 'prepared'];

function retried({ tasks }: History): string[] {
  return tasks.flatMap(({ task, readings }) => {
    const wrong = (is: boolean, what: string): string[] => (is ? [`task ${task.id}: ${what}`] : []);
    const told = (readings[0] ?? []).flatMap((event) => (event.kind === 'attempt_started' ? [event.attempt] : []));
    const charged = task.attempts.filter((attempt) => attempt.charged).length;
    const begun = task.attempts.filter(({ startedAt }) => startedAt !== undefined);
    const most = task.limits.maxAttempts;
    return [
      ...wrong(most !== undefined && charged > most, `${charged} attempts are charged, ${most} were allowed`),
      ...wrong(
        task.attempts.some(({ number }, index) => number !== index + 1),
        'its attempts are not numbered from 1',
      ),
      ...wrong(new Set(told).size < told.length, `of its attempts ${told.join(', ')} have started`),
      ...task.attempts.slice(0, -1).flatMap((attempt) => retriedAttempt(task, attempt)),
      ...wrong(
        task.completion !== undefined && task.completion.retryCount !== Math.max(0, begun.length - 1),
        `${begun.length} attempts have started, and it tells ${task.completion?.retryCount} retries`,
      ),
    ];
  });
}

function retriedAttempt(task: TaskSeen, { number, state, charged, failure, startedAt }: Attempt): string[] {
  const name = `attempt ${number} of task ${task.id}`;
  return [
    ...(state === 'prepared' || state === 'started' ? [`${name} is still ${state} although another followed`] : []),
    // Whether the work of a lost one is taken for done is another matter.
    ...(charged && uncharged.includes(state) && failure?.reason === 'lost' ? [`${name} is ${state} and was charged`] : []),
    ...(charged && startedAt === undefined ? [`${name} never started and was charged`] : []),
    ...(startedAt !== undefined && failure === undefined ? [`${name} does not say why another followed`] : []),
  ];
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
