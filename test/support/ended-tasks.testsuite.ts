import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Engine } from '../../packages/core/src/engine/engine.ts';
import { uuidv7 } from '../../packages/core/src/ids.ts';
import { openSqlite } from '../../packages/core/src/store/sqlite/index.ts';
import type { Command } from '../../packages/core/src/task/commands.ts';
import { aSpec, claim, exited, openWorkspace, reconciled, setBase, start, stop } from '../../packages/core/src/task/samples.testsuite.ts';
import { isFinal, type AttemptAccount, type Task } from '../../packages/core/src/task/task.ts';

/** What finished tasks add up to, by what they were made of and not by what anybody has counted. */
export interface Truth {
  readonly ids: readonly string[];
  /** How many were ever dispatched, and how many attempts were started. */
  readonly dispatched: number;
  readonly attempts: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsdMicros: number;
}

export function both(one: Truth, other: Truth): Truth {
  return {
    ids: [...one.ids, ...other.ids],
    dispatched: one.dispatched + other.dispatched,
    attempts: one.attempts + other.attempts,
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    costUsdMicros: one.costUsdMicros + other.costUsdMicros,
  };
}

export interface EndedTasks {
  readonly state: string;
  readonly count: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** The outbox rows of each. */
  readonly destinations: readonly string[];
}

type Used = Pick<Truth, 'inputTokens' | 'outputTokens' | 'costUsdMicros'>;

/** Their commits share a sync, as those of a daemon with so many tasks under way would. */
const atOnce = 64;

/**
 * Ends so many tasks in the state folder of a daemon that is not running. A task that really runs takes a quarter of a second of the machine, nearly
 * all of it for processes; the outbox and the totals see nothing of these. All that they do see is made by the daemon's own code: its engine
 * decides each command, its store commits it, and final state, completion event and outbox rows are one transaction, as ever. Only what a driver would have
 * told of processes is made up. A third of the tasks has an attempt with usage and cost; the others were cancelled or failed before.
 */
export async function endTasks({ state, count, random, destinations }: EndedTasks): Promise<Truth> {
  const { store } = openSqlite({ path: join(state, 'singletree.db'), newId: randomUUID });
  const engine = new Engine({ store, now: Date.now, newId: uuidv7(Date.now), destinations });
  const ids: string[] = [];
  const sum = { dispatched: 0, attempts: 0, inputTokens: 0, outputTokens: 0, costUsdMicros: 0 };
  const endOne = async (place: number): Promise<void> => {
    const used = {
      inputTokens: 1 + Math.floor(random() * 1e6),
      outputTokens: 1 + Math.floor(random() * 1e5),
      costUsdMicros: 1 + Math.floor(random() * 1e7),
    };
    const life = [wholeLife(used), wholeLife(used), [stop('cancel')], wholeLife(used), wholeLife(used), brokenOff][place % 6] ?? [];
    let task = await engine.create(() => aSpec({ title: `task ${place}` }));
    for (const command of life) task = await executed(engine, task, command);
    if (!isFinal(task.state)) throw new Error(`task ${task.id} is ${task.state} at its end`);
    ids.push(task.id);
    if (task.dispatchedAt !== undefined) sum.dispatched += 1;
    if (task.attempts.every(({ startedAt }) => startedAt === undefined)) return;
    sum.attempts += 1;
    sum.inputTokens += used.inputTokens;
    sum.outputTokens += used.outputTokens;
    sum.costUsdMicros += used.costUsdMicros;
  };
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await endOne(next++);
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
  } finally {
    await store.close();
  }
  return { ids, ...sum };
}

async function executed(engine: Engine, { id }: Task, command: Command): Promise<Task> {
  const done = await engine.execute(id, command);
  if (done.kind !== 'done') throw new Error(`${command.kind} of task ${id}: ${JSON.stringify(done)}`);
  return done.task;
}

/** As long as one may be: what holds on to a record is soon seen to grow. */
const summary = 'What the agent has to say at its end. '.repeat(500).slice(0, 16_384);

const brokenOff: readonly Command[] = [claim, { kind: 'fail', reason: 'setup_failed', message: 'npm ci: exit 1' }];

function wholeLife(used: Used): Command[] {
  const at = Date.now();
  const owned: Command = { kind: 'owned', directory: 'harness-1', pid: 4711, at };
  const exit = exited('harness-1', { startedAt: at, endedAt: at + 1 });
  return [claim, openWorkspace, setBase, start(), owned, exit, reconciled({}, accountOf(used)), { kind: 'judged' }];
}

function accountOf({ inputTokens, outputTokens, costUsdMicros }: Used): AttemptAccount {
  return {
    model: 'fake-1',
    turns: 1,
    usage: { uncachedInputTokens: inputTokens, outputTokens, provenance: 'reported', lowerBound: false },
    costUsdMicros,
    costSource: 'harness',
    summary: summary,
  };
}
