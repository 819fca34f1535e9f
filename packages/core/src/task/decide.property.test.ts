import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isRefusal, type Decision } from './change.ts';
import type { Command } from './commands.ts';
import type { CompletionEvent } from './completion.ts';
import { decide } from './decide.ts';
import { plausible, wild, type Draw } from './model.testsuite.ts';
import { aGate, created } from './samples.testsuite.ts';
import { isFinal, openProcess, startedAttempts, type Instant, type Stop, type Task } from './task.ts';

const seed = Number(process.env['SINGLETREE_TEST_SEED'] ?? Date.now() % 1_000_000);
const numRuns = process.env['SINGLETREE_TEST_FULL'] ? 50_000 : 1_500;

/** Commands after which a task that nobody disturbs is final or blocked, whatever its world does: about 40 an attempt, 8 attempts at most. */
const mostSteps = 400;
const maxAttempts = 3;

interface Move {
  readonly kind: 'drive' | 'crash' | 'stop' | 'unblock' | 'repeat' | 'wild' | 'wait';
  readonly by: number;
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** A task under commands, with what must be true of its whole history. Each accepted command is checked against all of it. */
class History {
  task: Task;
  now: Instant;
  readonly sent: Command[] = [];
  completion: CompletionEvent | undefined;
  #firstStop: Stop | undefined;
  #usedMs = 0;
  #state: Task['state'] = 'created';
  readonly #recorded = new Map<string, number>();

  constructor() {
    const gates = [aGate('test'), aGate('lint', { required: false })];
    const limits = { timeoutMs: 1_000, maxOutputBytes: 1_000, maxAttempts };
    this.task = deepFrozen(created({ setup: ['npm ci'], gates, limits, taskType: 'debugging' }));
    this.now = this.task.createdAt;
  }

  send(command: Command): boolean {
    this.sent.push(command);
    const result = decide(this.task, command, this.now);
    must(!isFinal(this.task.state) || isRefusal(result), 'a final task has changed');
    if (isRefusal(result)) return false;
    this.#check(this.task, command, result);
    this.task = deepFrozen(result.task);
    return true;
  }

  #check(before: Task, command: Command, { task, events, completion }: Decision): void {
    must(task.version === before.version + 1, 'the version rises by one');
    must(task.sequence === before.sequence + events.length, 'the sequence is that of the newest event');
    must(
      events.every(({ sequence, at }, index) => sequence === before.sequence + 1 + index && at === this.now),
      'events have no gap',
    );

    must((completion !== undefined) === isFinal(task.state), 'a completion event and a final state come together');
    must(task.state !== 'completed' || before.state === 'in_review', 'COMPLETED is reached from a review');
    for (const { body } of events) {
      if (body.kind === 'state_changed') {
        must(body.from === this.#state, 'edges join');
        this.#state = body.to;
      }
      if (body.kind === 'output_recorded') {
        const source = `${body.attempt} ${body.source}`;
        must(body.from === (this.#recorded.get(source) ?? 0) && body.to > body.from, 'recorded ranges have no gap');
        this.#recorded.set(source, body.to);
      }
    }
    must(task.state === this.#state, 'the state is where the edges lead');

    const driven = task.lease !== undefined;
    if (task.state === 'assigned' || task.state === 'in_progress') must(driven, `${task.state} has a lease`);
    else if (task.state !== 'in_review') must(!driven, `${task.state} has no lease`);
    const taken = command.kind === 'claim' || command.kind === 'take_over';
    must(task.fence === before.fence + (taken ? 1 : 0), 'the fence rises with each claim and takeover, and only then');

    const open = task.processes.filter(({ state }) => state === 'open' || state === 'owned');
    must(open.length <= 1 && (open.length === 0 || driven), 'at most one process is open, and somebody drives it');
    must(open.length === 0 || ['assigned', 'in_progress', 'in_review'].includes(task.state), 'nothing runs while a task waits');
    must(new Set(task.processes.map(({ directory }) => directory)).size === task.processes.length, 'a directory is used once');

    if (command.kind === 'exited') this.#usedMs += command.exit.durationMs;
    if (command.kind === 'died') this.#usedMs += command.usedMs;
    must(task.usedMs === this.#usedMs, 'the time of every process counts');

    const { activeMs, gateMs, backoffMs, blockedMs, reviewMs } = task.phases;
    const spent = activeMs + gateMs + backoffMs + blockedMs + reviewMs;
    must(spent === (task.dispatchedAt === undefined ? 0 : task.since - task.dispatchedAt), 'the phases add up to the duration');

    const [newest, ...earlier] = task.attempts.toReversed();
    must(
      task.attempts.every(({ number }, index) => number === index + 1),
      'attempts are numbered',
    );
    must(
      earlier.every(({ state }) => state === 'ended' || state === 'lost' || state === 'revoked'),
      'only the newest attempt runs',
    );
    must(
      driven || newest === undefined || (newest.state !== 'prepared' && newest.state !== 'started'),
      'a task that waits has no open attempt',
    );
    must(task.attempts.filter(({ charged }) => charged === true).length <= maxAttempts, 'max_attempts holds');
    must((task.blocked !== undefined) === (task.state === 'blocked'), 'what is blocked says why, nothing else does');
    must(task.notBefore === undefined || task.state === 'created', 'only a task in CREATED waits for a time');

    this.#firstStop ??= task.stop;
    const cause = task.stop && { ...task.stop, harder: undefined, killSwitch: undefined };
    must(
      JSON.stringify(cause) === JSON.stringify(this.#firstStop && { ...this.#firstStop, harder: undefined, killSwitch: undefined }),
      'the first stop stays the cause',
    );
    if (completion) this.#checkCompletion(task, completion);
  }

  #checkCompletion(task: Task, completion: CompletionEvent): void {
    must(this.completion === undefined, 'there is one completion event');
    this.completion = completion;
    const { failure, retryCount, retriesByCause, attemptCount } = completion;
    must((failure === undefined) === (task.state === 'completed'), 'what is not completed says why');
    must(task.state !== 'cancelled' || task.stop !== undefined, 'only a stop cancels');
    if (failure && ['cancelled', 'terminated', 'killed'].includes(failure.reason) && this.#firstStop) {
      const { kind, by } = this.#firstStop;
      must(
        failure.by !== by || failure.reason === { cancel: 'cancelled', terminate: 'terminated', kill: 'killed' }[kind],
        'the first stop is the reason',
      );
    }
    must(attemptCount === startedAttempts(task).length && retryCount === Math.max(0, attemptCount - 1), 'started attempts count');
    must(Object.values(retriesByCause).reduce((sum, count) => sum + count, 0) === retryCount, 'each retry has a cause');
    if (completion.taskDurationMs !== undefined) {
      must(
        completion.taskDurationMs === completion.completedAt - (completion.dispatchedAt ?? Number.NaN),
        'the duration is from dispatch to end',
      );
    }
  }
}

function play(history: History, { kind, by }: Move, draw: Draw): void {
  switch (kind) {
    case 'drive': {
      const command = plausible(history.task, draw);
      if (command)
        must(history.send(command) || isWaiting(history), `${command.kind} is refused although ${history.task.state} asks for it`);
      return;
    }
    case 'crash': // a new daemon takes over; what the dead one had not committed never was
      history.send({ kind: 'take_over', owner: `d${by}` });
      return;
    case 'stop':
      history.send({ kind: 'stop', stop: (['cancel', 'terminate', 'kill'] as const)[by % 3] ?? 'cancel', by: `person ${by}` });
      return;
    case 'unblock':
      history.send({ kind: 'unblock' });
      return;
    case 'repeat': // an answer was lost, or a client calls again
      history.send(history.sent.at(-1 - (by % 5)) ?? { kind: 'judged' });
      return;
    case 'wild':
      history.send(wild(history.task, draw));
      return;
    case 'wait':
      history.now += by;
  }
}

/** A claim before its time is the only command of a driver that may be refused. */
function isWaiting({ task, now }: History): boolean {
  return task.state === 'created' && task.notBefore !== undefined && task.notBefore > now;
}

const weights = { drive: 40, crash: 4, stop: 1, unblock: 4, repeat: 4, wild: 4, wait: 6 } as const;
const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.oneof(...Object.entries(weights).map(([kind, weight]) => ({ weight, arbitrary: fc.constant(kind as Move['kind']) }))),
  by: fc.nat(999),
});

function drawFrom(numbers: fc.Stream<number>): Draw {
  return (choices) => numbers.next().value % choices;
}

const numbers = fc.infiniteStream(fc.nat(0x7fff_ffff));

test(`whatever comes, in whatever order, every promise about a task holds (seed ${seed})`, { timeout: 120_000 }, () => {
  const ends = new Set<string>();
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120, size: 'max' }), numbers, (moves, stream) => {
      const history = new History();
      const draw = drawFrom(stream);
      for (const each of moves) play(history, each, draw);

      // Left alone it never stands still: each step's command is accepted, and few of them lead to an end or to a block.
      let steps = 0;
      for (let command = plausible(history.task, draw); command; command = plausible(history.task, draw)) {
        if (isWaiting(history)) history.now = history.task.notBefore ?? history.now;
        must(history.send(command), `${command.kind} is refused although ${history.task.state} asks for it`);
        must(++steps < mostSteps, 'the task goes on for ever');
        history.now += draw(50);
      }
      const { task, completion } = history;
      must(task.state === 'blocked' || isFinal(task.state), `${task.state} is no place to stay`);
      must(openProcess(task) === undefined, 'a task that stays leaves no process');
      expect(JSON.parse(JSON.stringify({ task, completion }))).toStrictEqual(completion ? { task, completion } : { task });
      ends.add(`${task.state} ${task.failure?.reason ?? task.blocked?.reason ?? ''}`);
    }),
    { seed, numRuns },
  );
  // The world above is worth something only if it leads everywhere.
  expect([...ends]).toEqual(
    expect.arrayContaining([
      'completed ',
      'cancelled cancelled',
      'failed killed',
      'failed timeout',
      'failed gate_failed',
      'failed turn_limit',
      'failed no_progress',
      'failed internal',
      'blocked unauthenticated',
      'blocked rate_limited',
      'blocked disk_full',
    ]),
  );
});

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFrozen(part);
  return Object.freeze(value);
}
