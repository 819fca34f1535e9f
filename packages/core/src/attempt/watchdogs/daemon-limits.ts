import type { Capabilities } from '@singletree/harness';
import type { LimitStop, Task } from '../../task/task.ts';
import { generatedTokens, inputTokens, type TokenKinds } from '../../task/usage.ts';
import { stopFor, type Concern } from './concern.ts';
import { near, warnedAt } from './limits.ts';
import { nothingConsumed, type Consumption, type Consumed } from './consumption.ts';
import type { Turns } from './turns.ts';

type Limited = Pick<Task, 'spec' | 'attempts'>;

/**
 * The limits that only a daemon can compare, since they count what a decoder reads. A process that has one of them is vouched for, and its shim ends
 * it where nobody does so.
 */
export function needsDaemon(task: Pick<Task, 'spec'>, capabilities: Capabilities): boolean {
  return isMetered(task) || (task.spec.limits.maxTurns !== undefined && tellsTurns(capabilities));
}

/** Whether it is held to what its calls use, so that a harness should tell that as early as it can. */
export function isMetered({ spec: { limits } }: Pick<Task, 'spec'>): boolean {
  return [limits.maxTokens, limits.maxCostUsdMicros, limits.maxContextUtilization].some((limit) => limit !== undefined);
}

/** Whether a CLI tells each of its model calls while it works. */
export function tellsTurns({ usage }: Capabilities): boolean {
  return usage !== 'none' && usage.scope === 'model_call';
}

/** Whether a limit over all attempts is used up before another one begins, and which. */
export function usedUp(task: Task): Concern | undefined {
  return daemonLimits(task, 'none').find(({ stop }) => stop !== undefined);
}

/** All tokens of disjoint kinds. */
export function allTokens(kinds: TokenKinds): number {
  return (inputTokens(kinds) ?? 0) + (generatedTokens(kinds) ?? 0);
}

/**
 * How a task stands with these limits.
 *
 * @param turns the calls of the attempt that runs; `none` before it has begun: beginning it would be going on
 * @param consumption of that attempt; nothing where nobody has to count
 */
export function daemonLimits(
  task: Limited,
  turns: Pick<Turns, 'count' | 'goesOn'> | 'untold' | 'none',
  consumption: Consumption = { ...nothingConsumed, goesOn: turns === 'none' },
): Concern[] {
  const runs = turns !== 'none';
  return [...turnLimit(task, turns, runs), ...amountLimits(task, consumption, runs), ...contextLimit(task, consumption)];
}

function turnLimit(task: Limited, turns: Pick<Turns, 'count' | 'goesOn'> | 'untold' | 'none', runs: boolean): Concern[] {
  const { maxTurns } = task.spec.limits;
  if (maxTurns === undefined) return [];
  if (turns === 'untold') {
    return [{ about: 'turns', message: `${task.spec.harness} does not tell its model calls: max_turns cannot hold it` }];
  }
  const { count, goesOn } = turns === 'none' ? { count: 0, goesOn: true } : turns;
  const used = sumBefore(task, runs, (account) => account.turns) + count;
  // The call that would be one too many cannot be seen as it begins: it shows when its answer comes, or when the last one's tools have theirs.
  const isOver = used > maxTurns || (used === maxTurns && goesOn);
  return found(
    near('turns', used, maxTurns, `${warnedAt * 100} % of the task's ${maxTurns} model calls are used up`),
    isOver && stopping('turns', `all ${maxTurns} model calls of the task are used up`, 'turn_limit'),
  );
}

/** What is summed up over all attempts, in amounts of which each call uses some. */
interface Budget {
  readonly about: string;
  readonly limit: number | undefined;
  readonly spent: (spent: Consumed) => number;
  readonly before: number;
  readonly stop: LimitStop;
  readonly words: (amount: number) => string;
}

function amountLimits(task: Limited, { spent, begunAt, goesOn }: Consumption, runs: boolean): Concern[] {
  const { maxTokens, maxCostUsdMicros } = task.spec.limits;
  const budgets: readonly Budget[] = [
    {
      about: 'tokens',
      limit: maxTokens,
      spent: ({ tokens }) => tokens,
      before: sumBefore(task, runs, ({ usage }) => usage && allTokens(usage)),
      stop: 'token_limit',
      words: (tokens) => `${tokens} tokens`,
    },
    {
      about: 'cost',
      limit: maxCostUsdMicros,
      spent: ({ costUsdMicros }) => costUsdMicros,
      before: sumBefore(task, runs, (account) => account.costUsdMicros),
      stop: 'cost_limit',
      words: dollars,
    },
  ];
  const { unpriced } = spent;
  return [
    ...budgets.flatMap(({ about, limit, spent: amountOf, before, stop, words }) => {
      if (limit === undefined) return [];
      const used = before + amountOf(spent);
      const begunAfter = begunAt.filter((then) => before + amountOf(then) >= limit).length;
      // One that ends with the call that used it up has gone no further than it could know.
      const isOver = used >= limit && (goesOn || begunAfter > 0);
      const after = runs ? `, ${calls(begunAfter)} after that` : '';
      return found(
        near(about, used, limit, `${warnedAt * 100} % of the task's ${words(limit)} are used up`),
        isOver && stopping(about, `the ${words(limit)} of the task are used up: ${words(used)} by now${after}`, stop),
      );
    }),
    ...found(
      maxCostUsdMicros !== undefined &&
        unpriced !== undefined &&
        goesOn &&
        stopping('cost', `the task may cost ${dollars(maxCostUsdMicros)}, and what it costs is not known: ${unpriced}`, 'cost_limit'),
    ),
  ];
}

/** Some CLIs tell the size of the context only at their end, and some a moment after the first call. */
const callsUntilUntold = 3;

function contextLimit({ spec }: Limited, { spent: { contextUtilization }, begunAt, goesOn }: Consumption): Concern[] {
  const { maxContextUtilization } = spec.limits;
  if (maxContextUtilization === undefined) return [];
  if (contextUtilization === undefined) {
    const message = `${spec.harness} has not told the size of its context: max_context cannot hold it until it does`;
    return begunAt.length < callsUntilUntold ? [] : [{ about: 'context_untold', message }];
  }
  const [full, allowed] = [contextUtilization, maxContextUtilization].map((share) => `${Math.round(share * 1_000) / 10} %`);
  return found(
    near('context', contextUtilization, maxContextUtilization, `the context is ${full} full, and the task allows ${allowed}`),
    contextUtilization >= maxContextUtilization &&
      goesOn &&
      stopping('context', `the context is ${full} full, and the task allows ${allowed}`, 'context_limit'),
  );
}

function stopping(about: string, message: string, stop: LimitStop): Concern {
  return { about: stopFor(about), message, stop };
}

function found(...concerns: readonly (Concern | false | undefined)[]): Concern[] {
  return concerns.filter((concern) => concern !== undefined && concern !== false);
}

/** Of the attempts that have ended. One of which nobody knows it adds nothing: a limit may then be reached late, never early. */
function sumBefore(
  { attempts }: Limited,
  runs: boolean,
  of: (account: NonNullable<Task['attempts'][number]['account']>) => number | undefined,
): number {
  const ended = runs ? attempts.slice(0, -1) : attempts;
  return ended.reduce((sum, { account }) => sum + ((account && of(account)) ?? 0), 0);
}

function calls(count: number): string {
  // One may be on its way of which nothing has been told yet.
  if (count === 0) return 'no model call is known to have begun';
  return count === 1 ? '1 model call was begun' : `${count} model calls were begun`;
}

/** To the cent, or to as much as tells small amounts apart. */
function dollars(micros: number): string {
  return `$${(micros / 1_000_000).toFixed(micros % 10_000 === 0 ? 2 : 6)}`;
}
