import { toJson, type Task } from '@singletree/sdk';
import type { Call, CommandModule } from '../call.ts';
import { shortIds } from '../task-argument.ts';
import { blockedBriefly } from '../terminal/blocked.ts';
import { age, block, cost, count, percent } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { markOf, markOfBlocked, markOfOutcome, markOfState, paint } from '../terminal/marks.ts';
import { table } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';
import { waitingText } from '../terminal/progress.ts';
import { atLeast } from '../terminal/usage.ts';

export const ls: CommandModule = {
  define(command) {
    command.addHelpText(
      'after',
      `
On a terminal: what needs you, what runs, what waits and why, what was done today. Elsewhere: all tasks, newest first, a line each with
tabs: id, state, title, harness, tokens, cost in millionths of a dollar, time of creation. With --json one list.

Examples:
  singletree ls
  singletree ls --json | jq -r '.[] | select(.state == "failed") | .id'`,
    );
  },

  async run(call) {
    const client = await call.client();
    if (call.json) {
      const tasks: unknown[] = [];
      for await (const task of client.tasks.list({ pageSize: 200 })) tasks.push(toJson(task));
      return call.printJson(tasks);
    }
    if (call.quiet || !call.world.stdout.isTTY) {
      for await (const task of client.tasks.list({ pageSize: 200 })) call.print([call.quiet ? task.id : tabbed(task)]);
      return;
    }
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    const tasks: Task[] = [];
    for await (const task of client.tasks.list({ states: ['created', 'assigned', 'in_progress', 'in_review', 'blocked'], pageSize: 200 }))
      tasks.push(task);
    let older = false;
    for await (const task of client.tasks.list({ states: ['completed', 'failed', 'cancelled'], pageSize: 50 })) {
      // Newest first by creation: what was created before today may still have ended today, but rarely is worth a search.
      older = task.createdAt < midnight && (task.completedAt ?? midnight) < midnight;
      if (older) break;
      tasks.push(task);
    }
    showGroups(call, tasks, older);
  },
};

function showGroups(call: Call, tasks: readonly Task[], older: boolean): void {
  const lines = listLines(tasks, call.look, Date.now());
  if (lines.length === 0) call.print([older ? '  nothing runs, and nothing was done today' : '  no task yet']);
  call.print(lines);
  if (lines.length === 0 && !older) call.next([['singletree run "what should be done"', 'creates one']]);
  if (older) call.note(`\n  older ones: singletree ls --json`);
}

/** One task as a line of fields. */
function tabbed({ id, state, title, harness, tokensPerTask, costPerTaskUsdMicros, createdAt }: Task): string {
  return [id, state, oneLine(title), harness, tokensPerTask ?? '', costPerTaskUsdMicros ?? '', createdAt.toISOString()].join('\t');
}

interface Group {
  readonly head: string;
  readonly holds: (task: Task) => boolean;
}

/** By what a person has to do about them. */
const groups: readonly Group[] = [
  { head: 'needs you', holds: needsYou },
  { head: 'running', holds: ({ state }) => state === 'assigned' || state === 'in_progress' || state === 'in_review' },
  { head: 'waiting', holds: ({ state }) => state === 'created' },
  { head: 'done today', holds: ({ completedAt }) => completedAt !== undefined },
];

/** It waits for something that a person may change sooner than time does, and fails if nobody does. */
function needsYou({ state }: Task): boolean {
  return state === 'blocked';
}

/** The tasks by group, as a terminal shows them. */
export function listLines(tasks: readonly Task[], look: Look, now: number): string[] {
  const ids = shortIds(tasks.map(({ id }) => id));
  const shown = groups.map(({ head, holds }) => ({ head, members: tasks.filter(holds) })).filter(({ members }) => members.length > 0);
  const columns = [
    { head: 'id' },
    { head: 'title', least: 12 },
    { head: 'harness', spare: 3 },
    // What it does comes whole before the title does: the longest that is not a sentence has 20 columns.
    { head: 'now', least: 20 },
    { head: 'tokens', align: 'right' as const, spare: 2 },
    { head: 'cost', align: 'right' as const, spare: 4 },
    { head: 'context', align: 'right' as const, spare: 1 },
    { head: 'age', align: 'right' as const },
  ];
  // One table, so that the groups share their columns.
  const rows = shown.flatMap(({ members }) => members.map((task) => cells(task, ids.get(task.id) ?? task.id, look, now)));
  const [heads = '', ...lines] = rows.length === 0 ? [] : table(look, columns, rows);
  let at = 0;
  return shown.flatMap(({ head, members }, place) => {
    const own = lines.slice(at, (at += members.length));
    return [...(place > 0 ? [''] : []), `  ${paint(look, 'bold', head.toUpperCase())}`, ...(place === 0 ? [heads] : []), ...own];
  });
}

function cells(task: Task, id: string, look: Look, now: number): string[] {
  const { harness, title, tokensPerTask, costPerTaskUsdMicros, costLowerBound, usage, attempts, createdAt, completedAt } = task;
  // Of a task at work everybody knows that it is not all yet.
  const orMore = (isLowerBound: boolean | undefined): string => atLeast(isLowerBound && completedAt !== undefined);
  const share = attempts.at(-1)?.contextUtilization;
  return [
    id,
    oneLine(title),
    harness,
    nowDoing(task, look, now),
    tokensPerTask === undefined ? '' : orMore(usage?.lowerBound) + count(tokensPerTask),
    // Unknown is not nothing; before the first attempt there is nothing.
    costPerTaskUsdMicros === undefined ? (attempts.length === 0 ? '' : '–') : orMore(costLowerBound) + cost(costPerTaskUsdMicros),
    share === undefined ? '' : `${look.unicode ? `${block(share)} ` : ''}${percent(share)}`,
    age(now - (completedAt ?? createdAt).getTime()),
  ];
}

/** What it does now, or why it does nothing. */
function nowDoing(task: Task, look: Look, now: number): string {
  const { state, attempts, waiting, blocked, completion, stopRequested } = task;
  const last = attempts.at(-1);
  if (completion) {
    const { outcome, failure } = completion;
    const name = markOfOutcome(outcome, failure?.reason);
    return `${markOf(name, look)} ${failure?.reason ?? outcome}`;
  }
  if (blocked) return `${markOf(markOfBlocked(blocked.reason), look)} ${blockedBriefly(blocked, now)}`;
  const mark = markOfState(state);
  return [mark === undefined ? '' : markOf(mark, look), stopRequested ? 'is being stopped' : doing()].filter(Boolean).join(' ');

  function doing(): string {
    switch (state) {
      case 'created':
        return waiting ? waitingText(waiting, now) : 'waits';
      case 'assigned':
        return 'gets ready';
      case 'in_progress':
        return [`attempt ${last?.number ?? ''}`, last?.turns === undefined ? '' : `turn ${last.turns}`].filter(Boolean).join(', ');
      case 'in_review':
        return 'gates';
      case 'blocked':
        return 'blocked';
      case 'completed':
      case 'failed':
      case 'cancelled':
        return state;
    }
  }
}
