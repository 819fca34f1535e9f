import { toJson, type ModelCall, type RetryRule, type Task } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { taskIdOf } from '../task-argument.ts';
import { blockedUntil, blockedWhy } from '../terminal/blocked.ts';
import { completionLines, completionRow } from '../terminal/completion.ts';
import { age, cost, count, duration, facts, percent, plural } from '../terminal/figures.ts';
import { gateRow } from '../terminal/gate.ts';
import type { Look } from '../terminal/look.ts';
import { marks, markOf, markOfState, paint } from '../terminal/marks.ts';
import { modelCallLines } from '../terminal/model-calls.ts';
import { waitingText } from '../terminal/progress.ts';
import { linesOf } from '../terminal/row.ts';
import { labelled } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';
import { allTokens, atLeast } from '../terminal/usage.ts';

export const get: CommandModule = {
  define(command) {
    command.option('--calls', 'its usage ledger: every model call, with what it used and cost').addHelpText(
      'after',
      `
TASK is an id, the beginning of one, or - for the newest. With --json: the task with its attempts and, when it has ended, its completion;
with --calls also model_calls.

Examples:
  singletree get -
  singletree get - --calls
  singletree get 0199c1d4 --json | jq .completion.outcome`,
    );
  },

  async run(call, command) {
    const client = await call.client();
    const task = await client.tasks.get(await taskIdOf(command.args[0] ?? '-', client));
    const calls: ModelCall[] | undefined = command.opts<{ calls?: true }>().calls && [];
    if (calls) for await (const each of client.tasks.modelCalls(task.id, { pageSize: 1_000 })) calls.push(each);
    if (call.json) return call.printJson({ ...toJson(task), ...(calls ? { model_calls: calls.map(toJson) } : {}) });
    call.print(taskLines(task, call.look, Date.now()));
    const partial = { tokens: task.usage?.lowerBound !== false, cost: task.costLowerBound };
    if (calls) call.print(['', ...modelCallLines(calls, partial, call.look)]);
  },
};

/** A task as a person reads it. */
export function taskLines(task: Task, look: Look, now: number): string[] {
  const { title, completion, attempts, gateResults } = task;
  return [
    `  ${paint(look, 'bold', oneLine(title))}`,
    '',
    ...labelled(look, [
      ['id', task.id],
      ['state', stateText(task, look, now)],
      ['harness', facts(task.harness, task.model)],
      ['workspace', facts(oneLine(task.workspace.path), task.workspace.mode, `permissions: ${task.permissions}`)],
      ['again', task.rerunOf && `does task ${task.rerunOf} again`],
      ['retry', task.retry.length === 0 ? undefined : task.retry.map(retryText).join(', ')],
      ['created', `${task.createdAt.toISOString()} (${age(now - task.createdAt.getTime())} ago)`],
      ['spent', spent(task)],
      ['budget', budget(task)],
      ['change', task.frozenRef],
      ['trace', task.traceId],
      [
        'labels',
        Object.entries(task.labels)
          .map(([key, value]) => `${key}=${oneLine(value)}`)
          .join(' ') || undefined,
      ],
    ]),
    ...(attempts.length > 0 ? [''] : []),
    ...attempts.flatMap((attempt) => [
      ...linesOf(attemptRow(attempt), look),
      ...gateResults.filter((gate) => gate.attempt === attempt.number).flatMap((gate) => linesOf(gateRow(gate), look)),
    ]),
    ...(completion ? [...linesOf(completionRow(completion), look), ...completionLines(completion, task, look)] : []),
  ];
}

function attemptRow({
  number,
  state,
  harnessVersion,
  model,
  turns,
  usage,
  costUsdMicros,
  costLowerBound,
  contextUtilization,
  contextUtilizationPeak,
  contextCompactions,
  startedAt,
  endedAt,
  failure,
  exitCode,
  sandboxLevel,
  unknownEvents,
}: Task['attempts'][number]) {
  const running = state === 'started' || state === 'prepared';
  const tokens = usage && allTokens(usage);
  return {
    mark: failure && failure.reason !== 'gate_failed' ? ('failure' as const) : ('in_progress' as const),
    label: `attempt ${number}`,
    text: facts(
      running ? undefined : state,
      exitCode !== undefined && exitCode !== 0 && `exit ${exitCode}`,
      failure && oneLine(failure.message),
      turns !== undefined && `turn ${turns}`,
      tokens !== undefined && `${atLeast(usage?.lowerBound)}${count(tokens)} tokens`,
      usage?.provenance === 'recovered' && "by its session's files",
      costUsdMicros !== undefined && atLeast(costLowerBound) + cost(costUsdMicros),
      contextUtilization !== undefined && contextText(contextUtilization, contextUtilizationPeak),
      contextCompactions !== undefined && contextCompactions > 0 && plural(contextCompactions, 'compaction'),
      model ?? harnessVersion,
      sandboxLevel && `contained by ${sandboxWords[sandboxLevel]}`,
      unknownEvents !== undefined && `${plural(unknownEvents, 'line')} not understood`,
    ),
    ...(startedAt && endedAt ? { note: duration(endedAt.getTime() - startedAt.getTime()) } : {}),
  };
}

/** How what an attempt starts is found and ended. */
const sandboxWords: Readonly<Record<NonNullable<Task['attempts'][number]['sandboxLevel']>, string>> = {
  marker: 'marker',
  cgroup: 'cgroup',
  pid_namespace: 'PID namespace',
};

/** As a tasks file says it: `stalled: { retry: false }`. */
function retryText({
  reason,
  retry,
  charged,
  session,
  backoffInitialMs,
  backoffFactor,
  backoffCapMs,
  jitter,
  maxRetries,
}: RetryRule): string {
  const rule: readonly (readonly [string, string | number | boolean | undefined])[] = [
    ['retry', retry],
    ['charged', charged],
    ['session', session],
    ['initial', backoffInitialMs && duration(backoffInitialMs)],
    ['factor', backoffFactor],
    ['cap', backoffCapMs && duration(backoffCapMs)],
    ['jitter', jitter],
    ['max_retries', maxRetries],
  ];
  const changed = rule.flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${value}`]));
  return `${reason}: { ${changed.join(', ')} }`;
}

function stateText({ state, waiting, blocked, stopRequested }: Task, look: Look, now: number): string {
  const mark = markOfState(state);
  const more = waiting ? waitingText(waiting, now) : blocked && facts(blockedWhy(blocked), blockedUntil(blocked, now));
  return facts(
    `${mark === undefined ? '' : `${markOf(mark, look)} `}${state === 'in_progress' ? marks.in_progress.word : state.replaceAll('_', ' ')}`,
    more,
    stopRequested && state !== 'cancelled' && `${stopRequested.kind} asked for`,
  );
}

/** What it may spend, beside what it has spent. */
function budget({ limits }: Task): string | undefined {
  const { maxTurns, maxTokens, maxCostUsdMicros, maxContextUtilization } = limits;
  const set = facts(
    maxTurns !== undefined && plural(maxTurns, 'turn'),
    maxTokens !== undefined && `${count(maxTokens)} tokens`,
    maxCostUsdMicros !== undefined && cost(maxCostUsdMicros),
    maxContextUtilization !== undefined && `context ${percent(maxContextUtilization)}`,
  );
  return set === '' ? undefined : set;
}

/** Of a task at work everybody knows that it is not all yet. */
function spent(task: Task): string | undefined {
  const { state, tokensPerTask, turnsPerTask, turnsLowerBound, costPerTaskUsdMicros, costLowerBound, usage } = task;
  const orMore = (isLowerBound: boolean | undefined): string => atLeast(isLowerBound && state !== 'in_progress');
  const known = facts(
    turnsPerTask !== undefined && orMore(turnsLowerBound) + plural(turnsPerTask, 'turn'),
    tokensPerTask !== undefined && `${orMore(usage?.lowerBound)}${count(tokensPerTask)} tokens`,
    costPerTaskUsdMicros !== undefined && orMore(costLowerBound) + cost(costPerTaskUsdMicros),
  );
  return known === '' ? undefined : known;
}

/** How full the context is, and how full it has been where that is more. */
function contextText(final: number, peak: number | undefined): string {
  const most = peak !== undefined && percent(peak) !== percent(final) ? ` (${percent(peak)} at most)` : '';
  return `context ${percent(final)}${most}`;
}
