/** The tables of docs/lifecycle.md that come from the code's data. Run as a program it writes them into the page. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { advice } from '../packages/core/src/task/advice.ts';
import { createTask } from '../packages/core/src/task/create.ts';
import { outcomeOf } from '../packages/core/src/task/outcome.ts';
import { failureReasons, type FailureReason } from '../packages/core/src/task/reasons.ts';
import { fixedReasons, retryTable, type RetryRule } from '../packages/core/src/task/retry.ts';
import type { Attempt, FrozenTree, Task } from '../packages/core/src/task/task.ts';

const root: string = dirname(import.meta.dirname);
const page: string = join(root, 'docs/lifecycle.md');

/** The page with its generated parts as the code has them now. */
export function withTables(text: string): string {
  return Object.entries(tables).reduce((whole, [name, table]) => {
    const part = new RegExp(`(<!-- generated: ${name} -->\\n).*?(<!-- end -->)`, 's');
    if (!part.test(whole)) throw new Error(`docs/lifecycle.md has no part "generated: ${name}"`);
    return whole.replace(part, (_, begin: string, end: string) => `${begin}\n${table()}\n\n${end}`);
  }, text);
}

const tables: Readonly<Record<string, () => string>> = {
  reasons: () =>
    rows(
      ['reason', 'means', 'what you can do', 'outcome', 'test'],
      failureReasons.map((reason) => [
        `\`${reason}\``,
        meaningOf(reason),
        capital(advice[reason] ?? '–'),
        outcomeWith(reason),
        testOf(reason),
      ]),
    ),
  retry: () =>
    rows(
      ['reason', 'then', 'wait before the first, second, … retry', 'most', 'session', 'charged', 'test'],
      failureReasons.flatMap((reason) => {
        const rule = retryTable[reason];
        const { action, session, charged, most } = rule;
        if (action === 'fail') return [];
        const then = action === 'park' ? 'BLOCKED, then again' : 'again';
        return [[`\`${reason}\``, then, waitOf(rule), String(most), session, charged ? 'yes' : 'no', testOfRetry(reason)]];
      }),
    ),
  ends: () => {
    const ending = failureReasons.filter((reason) => retryTable[reason].action === 'fail');
    const listed = (reasons: readonly FailureReason[]): string => reasons.map((reason) => `\`${reason}\``).join(', ');
    return [
      `These end the task unless a rule says \`retry: true\`: ${listed(ending.filter((reason) => !fixedReasons.includes(reason)))}.`,
      '',
      `These end it always, and no rule changes that: ${listed(fixedReasons)}.`,
    ].join('\n');
  },
};

function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/** As the wire's own description has it. */
function meaningOf(reason: FailureReason): string {
  const proto = readFileSync(join(root, 'proto/singletree/v1/completion.proto'), 'utf8');
  const comment = new RegExp(`((?: {2}//.*\\n)+) {2}FAILURE_REASON_${reason.toUpperCase()} =`).exec(proto)?.[1];
  if (comment === undefined) throw new Error(`the wire says nothing of ${reason}`);
  return comment
    .replaceAll(/^ *\/\/ ?/gm, '')
    .trim()
    .replaceAll('\n', ' ')
    .replace(/\.$/, '');
}

/** How a task turns out that ends with it, with and without a change that was kept. */
function outcomeWith(reason: FailureReason): string {
  const [changed, unchanged] = [true, false].map((each) => outcomeOf(taskWith(reason, each)));
  return changed === unchanged ? `${changed}` : `${changed} with a change, else ${unchanged}`;
}

function taskWith(reason: FailureReason, changed: boolean): Task {
  const tree: FrozenTree = { commit: '', tree: '', ref: '', changed, files: [], linesAdded: 0, linesRemoved: 0, notKept: [] };
  const recorded = { stdout: 0, stderr: 0 };
  const attempt: Attempt = { number: 1, state: 'ended', harness: '', preparedAt: 0, startedAt: 0, recorded, tree };
  return { ...createTask('', spec, 0).task, state: 'failed', attempts: [attempt], failure: { reason, message: '' } };
}

const spec: Task['spec'] = {
  instructions: '',
  acceptanceCriteria: [],
  context: [],
  harness: '',
  permissions: 'all',
  workspace: { path: '/', mode: 'worktree' },
  setup: [],
  gates: [],
  limits: { timeoutMs: 1, maxOutputBytes: 1, maxAttempts: 1 },
  labels: {},
  priority: 0,
};

/** Each reason is produced by a test. */
function testOf(reason: FailureReason): string {
  return elsewhere[reason] ?? '[reasons](../test/reasons.test.ts) "$reason ends its task"';
}

/** What follows it, by a test. */
function testOfRetry(reason: FailureReason): string {
  if (reason === 'disk_full') return '[disk](../test/faults/disk.test.ts) "the task goes on by itself"';
  return elsewhere[reason] ?? '[reasons](../test/reasons.test.ts) "$reason is followed by another"';
}

const withoutDaemon = '[reasons](../test/reasons.test.ts) "an attempt that ends while no daemon is there"';
const elsewhere: Partial<Record<FailureReason, string>> = {
  out_of_memory: withoutDaemon,
  unsupervised: withoutDaemon,
  token_limit: '[spending](../test/spending.test.ts) "on tokens ends a task that would go on, with a warning before"',
};

function waitOf({ backoff }: RetryRule): string {
  const { initialMs, factor, capMs, jitter } = backoff;
  if (initialMs === 0) return 'none';
  const waits = [0, 1].map((before) => words(initialMs * factor ** before));
  return `${waits.join(', ')}, … up to ${words(capMs)}, each less up to ${jitter * 100} %`;
}

function words(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

if (import.meta.main) writeFileSync(page, withTables(readFileSync(page, 'utf8')));
