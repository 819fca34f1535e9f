import { openProcess, type Evidence, type GateResult, type LimitStop, type ProcessExit, type Task, type TaskProcess } from './task.ts';
import type { Command } from './commands.ts';
import { gateToRun, next, setupToRun } from './next.ts';
import { failureReasons } from './reasons.ts';
import { anExit, aTree } from './samples.testsuite.ts';

/** Draws a whole number from 0 to below `choices`. */
export type Draw = (choices: number) => number;

/**
 * What a driver does next for a task, in a world where anything may happen that can: shims die, harnesses crash, talk and lie,
 * gates are red. Undefined: the task is final, or blocked until somebody unblocks it.
 */
export function plausible(task: Task, draw: Draw): Command | undefined {
  const process = openProcess(task);
  if (process) return ofProcess(task, process, draw);
  const directory = `d${task.version}`;
  const step = next(task);
  switch (step.kind) {
    case 'wait':
      return task.state === 'created' ? { kind: 'claim', owner: 'd' } : undefined;
    case 'prepare': {
      if (draw(100) === 0) return { kind: 'fail', reason: 'harness_missing', message: 'not there' };
      if (draw(100) === 0) return { kind: 'block', reason: 'unauthenticated', message: 'log in' };
      if (!task.workspace) return { kind: 'open_workspace', workspace: { root: '/w', cwd: '/w', repository: '/r' } };
      if (task.base) {
        const session = { id: `s${draw(2)}`, resumed: draw(2) === 0 };
        return { kind: 'start', directory, session, prompt: 'full', decoderVersion: 1 };
      }
      const due = setupToRun(task);
      return due
        ? { kind: 'open_process', role: 'setup', ordinal: due.ordinal, directory }
        : { kind: 'set_base', base: { commit: 'b', tree: 't' } };
    }
    case 'follow':
      throw new Error('there is something to follow without an open process');
    case 'reconcile':
      return reconciliation(task, draw);
    case 'judge': {
      if (!task.lease) return { kind: 'claim', owner: 'd' };
      const due = gateToRun(task);
      return due ? { kind: 'open_process', role: 'gate', ordinal: due.ordinal, directory } : { kind: 'judged' };
    }
    case 'none':
      return undefined;
  }
}

function ofProcess(task: Task, process: TaskProcess, draw: Draw): Command {
  const { directory, role, state } = process;
  if (state === 'open' && task.stop && draw(2) === 0) return { kind: 'revoked', directory };
  if (state === 'open' && draw(4) > 0) return { kind: 'owned', directory, pid: 7, at: process.openedAt };
  const recorded = task.attempts.at(-1)?.recorded.stdout ?? 0;
  if (role === 'harness' && recorded < 30 && draw(2) === 0) return record(task, recorded, draw);
  if (draw(5) === 0) return { kind: 'died', directory, survivors: draw(2) === 0 ? [] : [9], usedMs: draw(50) };
  return exit(task, process, draw);
}

function record(task: Task, from: number, draw: Draw): Command {
  const to = from + 1 + draw(9);
  return {
    kind: 'record',
    attempt: task.attempts.length,
    source: 'stdout',
    from,
    to,
    events: [{ kind: 'text', source: 'stdout', endsAt: to }],
  };
}

function exit(task: Task, { directory, attempt, role, ordinal }: TaskProcess, draw: Draw): Command {
  const cause: ProcessExit['stop'] | undefined = task.stop && draw(2) === 0 ? task.stop.kind : limit(role, draw);
  const code = draw(role === 'gate' ? 3 : 12) === 0 ? 1 : 0;
  const memory = code !== 0 && draw(3) === 0 ? ({ outOfMemory: true } as const) : {};
  const ended = anExit({ code, durationMs: draw(400), ...memory, ...(cause ? { stop: cause } : {}) });
  if (role !== 'gate') return { kind: 'exited', directory, exit: ended };
  const verdict = draw(8) === 0 ? 'errored' : code === 0 ? 'passed' : 'failed';
  const spec = task.spec.gates[ordinal];
  const name = spec?.name ?? '';
  const gate: GateResult = { attempt, ordinal, name, kind: 'custom', required: spec?.required ?? true, verdict, startedAt: 1, endedAt: 2 };
  return { kind: 'exited', directory, exit: ended, gate };
}

const anyProcess: readonly LimitStop[] = ['timeout', 'timeout', 'output_limit', 'disk_full', 'given_up'];
const harnessOnly: readonly LimitStop[] = [
  'attempt_timeout',
  'first_output',
  'stall',
  'turn_limit',
  'no_progress',
  'never_ended',
  'unsupervised',
];

/** What the shim had to stop it for; sometimes the kill switch, of which no daemon knew. */
function limit(role: TaskProcess['role'], draw: Draw): ProcessExit['stop'] | undefined {
  if (draw(8) > 0) return undefined;
  const kinds = [...anyProcess, ...(role === 'harness' ? harnessOnly : []), 'kill' as const];
  return kinds[draw(kinds.length)];
}

function reconciliation(task: Task, draw: Draw): Command {
  const reason = draw(2) === 0 ? 'rate_limited' : failureReasons[draw(failureReasons.length)];
  const results: readonly (Evidence | undefined)[] = [
    { result: 'completed' },
    { result: 'completed' },
    { result: 'completed' },
    { result: 'interrupted' },
    {
      result: 'failed',
      ...(reason === undefined ? {} : { reason }),
      ...(draw(4) === 0 ? { resetsAt: task.updatedAt + draw(2_000_000) } : {}),
    },
    { result: 'failed', afterCompleted: true },
    undefined,
  ];
  const evidence = results[draw(results.length)];
  return {
    kind: 'reconciled',
    account: draw(2) === 0 ? {} : { turns: draw(5) },
    ...(evidence ? { evidence } : {}),
    tree: draw(30) === 0 ? { reason: 'workspace_unfreezable', message: 'bad index' } : aTree({ changed: draw(4) > 0 }),
    ...(draw(30) === 0 ? { failure: { reason: 'decoder_failed', message: 'line 3' } as const } : {}),
  };
}

/** Any command at all, with facts that may be of another time, another process or another attempt. */
export function wild(task: Task, draw: Draw): Command {
  const directory = draw(3) === 0 ? 'elsewhere' : (task.processes[draw(task.processes.length + 1)]?.directory ?? 'nowhere');
  const process: TaskProcess = { attempt: draw(3), role: 'gate', ordinal: draw(3), directory, state: 'owned', openedAt: 0 };
  const all: readonly (() => Command)[] = [
    () => ({ kind: 'claim', owner: 'other' }),
    () => ({ kind: 'open_workspace', workspace: { root: '/x', cwd: '/x', repository: '/x' } }),
    () => ({ kind: 'open_process', role: draw(2) === 0 ? 'setup' : 'gate', ordinal: draw(3), directory: `w${task.version}` }),
    () => ({ kind: 'set_base', base: { commit: 'x', tree: 'x' } }),
    () => ({ kind: 'start', directory: `w${task.version}`, session: { id: 'x', resumed: true }, prompt: 'continue', decoderVersion: 2 }),
    () => ({ kind: 'owned', directory, pid: 8, at: 0 }),
    () => ({ kind: 'record', attempt: draw(4), source: draw(2) === 0 ? 'stdout' : 'stderr', from: draw(20), to: draw(40), events: [] }),
    () => exit(task, process, draw),
    () => ({ kind: 'died', directory, survivors: [], usedMs: 1 }),
    () => ({ kind: 'revoked', directory }),
    () => reconciliation(task, draw),
    () => ({ kind: 'judged' }),
    () => ({ kind: 'release', message: 'busy', notBefore: task.updatedAt + draw(2_000) }),
    () => ({ kind: 'fail', reason: 'workspace_gone', message: 'gone' }),
    () => ({ kind: 'block', reason: 'quota_exhausted', message: 'none left', until: draw(100) }),
    () => ({ kind: 'unblock' }),
    () => ({ kind: 'expire', since: draw(2) === 0 ? task.since : 0 }),
    () => ({ kind: 'warn', message: 'slow' }),
  ];
  return all[draw(all.length)]?.() ?? { kind: 'judged' };
}
