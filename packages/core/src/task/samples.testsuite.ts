import { expect } from 'vitest';
import type { Command } from './commands.ts';
import type { CompletionEvent } from './completion.ts';
import { isRefusal, type Decision } from './change.ts';
import { createTask } from './create.ts';
import { decide } from './decide.ts';
import { gateToRun } from './next.ts';
import type { AttemptAccount, FrozenTree, GateResult, GateSpec, Instant, ProcessExit, Task, TaskSpec } from './task.ts';

export const noon: Instant = Date.UTC(2026, 10, 21, 12);

export function aSpec(set: Partial<TaskSpec> = {}): TaskSpec {
  return {
    instructions: 'make the failing test pass',
    acceptanceCriteria: [],
    context: [],
    harness: 'claude_code',
    permissions: 'all',
    workspace: { path: '/src/shop', mode: 'worktree' },
    setup: [],
    gates: [],
    limits: { timeoutMs: 3_600_000, maxOutputBytes: 1_000_000, maxAttempts: 3 },
    labels: {},
    priority: 0,
    ...set,
  };
}

export function aGate(name: string, set: Partial<GateSpec> = {}): GateSpec {
  return { name, command: `npm run ${name}`, kind: 'custom', required: true, timeoutMs: 900_000, ...set };
}

export function created(set: Partial<TaskSpec> = {}): Task {
  return createTask('0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c', aSpec(set), noon).task;
}

export function anExit(set: Partial<ProcessExit> = {}): ProcessExit {
  return {
    code: 0,
    signal: null,
    startedAt: noon + 500,
    endedAt: noon + 900,
    durationMs: 400,
    lengths: { stdout: 0, stderr: 0 },
    survivors: [],
    ...set,
  };
}

export function aTree(set: Partial<FrozenTree> = {}): FrozenTree {
  return {
    commit: 'c1',
    tree: 't1',
    ref: 'refs/singletree/task/1',
    changed: true,
    files: [{ path: 'price.js', change: 'modified', linesAdded: 2, linesRemoved: 1 }],
    linesAdded: 2,
    linesRemoved: 1,
    notKept: [],
    ...set,
  };
}

/** The commands of an ordinary life, each with what may differ. */
export const claim: Command = { kind: 'claim', owner: 'daemon-1' };
export const openWorkspace: Command = { kind: 'open_workspace', workspace: { root: '/w', cwd: '/w/shop', repository: '/src', head: 'h0' } };
export const setBase: Command = { kind: 'set_base', base: { commit: 'b0', tree: 't0' } };

export function start(attempt = 1, set: Partial<Extract<Command, { kind: 'start' }>> = {}): Command {
  return {
    kind: 'start',
    directory: `harness-${attempt}`,
    session: { id: 'session-1', resumed: attempt > 1 },
    prompt: attempt > 1 ? 'findings' : 'full',
    decoderVersion: 1,
    ...set,
  };
}

export function owned(directory = 'harness-1'): Command {
  return { kind: 'owned', directory, pid: 4711, at: noon + 500 };
}

export function exited(directory = 'harness-1', set: Partial<ProcessExit> = {}): Command {
  return { kind: 'exited', directory, exit: anExit(set) };
}

export function died(directory = 'harness-1', set: Partial<Extract<Command, { kind: 'died' }>> = {}): Command {
  return { kind: 'died', directory, survivors: [], usedMs: 300, ...set };
}

/** The harness says that it has done its work, and the tree has changed. */
export function reconciled(set: Partial<Extract<Command, { kind: 'reconciled' }>> = {}, account: AttemptAccount = {}): Command {
  return { kind: 'reconciled', account, evidence: { result: 'completed' }, tree: aTree(), ...set };
}

/** The harness ends without a word about its result. */
export function silent(account: AttemptAccount = {}, set: Partial<Extract<Command, { kind: 'reconciled' }>> = {}): Command {
  return { kind: 'reconciled', account, tree: aTree(), ...set };
}

export function stop(kind: Extract<Command, { kind: 'stop' }>['stop'], by = 'anna', why?: string): Command {
  return { kind: 'stop', stop: kind, by, ...(why === undefined ? {} : { why }) };
}

/** Opens the gate that is due and ends it with a verdict. */
export function gate(task: Task, verdict: GateResult['verdict'], set: Partial<GateResult> = {}): Command[] {
  const due = gateToRun(task);
  if (!due) throw new Error('no gate is due');
  const attempt = task.attempts.length;
  const directory = `gate-${attempt}-${due.ordinal}-${task.processes.length}`;
  const exitCode = { passed: 0, failed: 1, errored: 127 }[verdict];
  const result: GateResult = {
    attempt,
    ordinal: due.ordinal,
    name: due.gate.name,
    kind: due.gate.kind,
    required: due.gate.required,
    verdict,
    exitCode,
    startedAt: noon + 500,
    endedAt: noon + 900,
    ...set,
  };
  return [
    { kind: 'open_process', role: 'gate', ordinal: due.ordinal, directory },
    { kind: 'exited', directory, exit: anExit({ code: exitCode }), gate: result },
  ];
}

type Next = Command | ((task: Task) => readonly Command[]);

/** What the last of some commands, each a second after the one before or when the task is due, has made of it. All must be accepted. */
export function decided(task: Task, ...commands: readonly Next[]): Decision {
  let decision: Decision = { task, events: [] };
  for (const each of commands) {
    for (const command of typeof each === 'function' ? each(decision.task) : [each]) {
      const { task: before } = decision;
      const next = decide(before, command, Math.max(before.updatedAt + 1_000, before.notBefore ?? 0));
      if (isRefusal(next)) throw new Error(`${command.kind} of a task that is ${before.state}: ${next.refused}, ${next.message}`);
      decision = next;
    }
  }
  return decision;
}

export function after(task: Task, ...commands: readonly Next[]): Task {
  return decided(task, ...commands).task;
}

/** The completion event of a task that some commands have brought to its end. */
export function completionAfter(set: Partial<TaskSpec>, ...commands: readonly Next[]): CompletionEvent {
  const { task, completion } = decided(created(set), ...commands);
  if (!completion) throw new Error(`the task is ${task.state}, which is not final`);
  return completion;
}

/** Looks at some fields of an event: `undefined` stands for one that is absent. No field may be there without a value. */
export function expectFields(event: CompletionEvent, fields: Partial<Record<keyof CompletionEvent, unknown>>): void {
  const given = new Map<string, unknown>(Object.entries(event));
  expect(Object.fromEntries(Object.keys(fields).map((key) => [key, given.get(key)]))).toStrictEqual(fields);
  expect([...given].filter(([, value]) => value === undefined)).toEqual([]);
}

export const passed = (task: Task): Command[] => gate(task, 'passed');
export const failed = (task: Task): Command[] => gate(task, 'failed');
export const errored = (task: Task): Command[] => gate(task, 'errored');
/** The first attempt up to where it runs, without setup commands. */
export const running: readonly Command[] = [claim, openWorkspace, setBase, start(), owned()];
/** A later attempt up to where it runs. */
export const runningAgain = (attempt: number): Command[] => [claim, start(attempt), owned(`harness-${attempt}`)];
