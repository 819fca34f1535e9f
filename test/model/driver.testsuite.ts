import type { Command } from '../../packages/core/src/task/commands.ts';
import { gateToRun, next, setupToRun } from '../../packages/core/src/task/next.ts';
import { scopesOf } from '../../packages/core/src/task/scopes.ts';
import { openProcess, type Evidence, type Task, type TaskProcess } from '../../packages/core/src/task/task.ts';
import type { Machine } from './machine.testsuite.ts';

/** Draws a whole number from 0 to below `choices`. */
export type Draw = (choices: number) => number;

/** Commits of frozen trees by their refs: the user's repositories. */
export type Refs = Map<string, string>;

/**
 * One step of a task on the machine, as the steps of an attempt take it: it looks at what is there, does what is missing, and gives the command
 * to commit. Undefined where there is nothing to tell yet.
 */
export function perform(task: Task, machine: Machine, refs: Refs, now: number, draw: Draw): Command | undefined {
  const process = openProcess(task);
  if (process) return supervise(task, process, machine, now, draw);
  switch (next(task).kind) {
    case 'prepare':
      return prepare(task, machine, draw);
    case 'reconcile':
      return reconcile(task, machine, refs, draw);
    case 'judge': {
      const due = gateToRun(task);
      return due ? open(task, machine, 'gate', due.ordinal) : { kind: 'judged' };
    }
    case 'follow':
    case 'wait':
    case 'none':
      return undefined;
  }
}

function prepare(task: Task, machine: Machine, draw: Draw): Command {
  if (draw(40) === 0) return { kind: 'fail', reason: 'harness_missing', message: 'not there' };
  if (draw(20) === 0) return { kind: 'block', reason: 'unauthenticated', message: 'log in' };
  if (draw(20) === 0) return { kind: 'release', message: 'busy', notBefore: task.updatedAt + draw(1_000) };
  if (!task.workspace) return { kind: 'open_workspace', workspace: { root: '/w', cwd: '/w', repository: '/r' } };
  if (task.base) {
    const directory = prepared(task, machine, 'harness', 0);
    const session = { id: `session of ${task.id}`, resumed: task.attempts.length > 1 };
    return { kind: 'start', directory, session, prompt: 'full', decoderVersion: 1 };
  }
  const due = setupToRun(task);
  return due ? open(task, machine, 'setup', due.ordinal) : { kind: 'set_base', base: { commit: 'b', tree: 't' } };
}

function open(task: Task, machine: Machine, role: 'setup' | 'gate', ordinal: number): Command {
  return { kind: 'open_process', role, ordinal, directory: prepared(task, machine, role, ordinal) };
}

function prepared(task: Task, machine: Machine, role: TaskProcess['role'], ordinal: number): string {
  const earlier = task.processes.filter((process) => process.role === role && process.ordinal === ordinal).length;
  const name = `${task.id}/${task.attempts.length}/${role}-${ordinal}-${earlier + 1}`;
  machine.prepare(name, role, scopesOf(task));
  return name;
}

function supervise(task: Task, process: TaskProcess, machine: Machine, now: number, draw: Draw): Command | undefined {
  const { directory, role, ordinal, attempt } = process;
  const box = machine.box(directory);
  if (box.state === 'unowned') {
    if (task.stop) machine.revoke(box);
    else machine.startShim(box, now);
  }
  if (box.state === 'revoked') return { kind: 'revoked', directory };
  if (box.state === 'running') {
    if (process.state === 'open') return { kind: 'owned', directory, pid: 7, at: box.startedAt };
    if (task.stop) machine.stop(box, task.stop.kind, now);
  }
  const from = task.attempts.at(-1)?.recorded.stdout ?? 0;
  const to = box.state === 'running' ? Math.min(box.said, from + 1 + draw(9)) : box.said;
  if (role === 'harness' && to > from) {
    const event = { kind: 'text', thread: 'main', text: 'working', source: 'stdout', endsAt: to } as const;
    return { kind: 'record', attempt, source: 'stdout', from, to, events: [event] };
  }
  if (box.state === 'dead') return { kind: 'died', directory, survivors: [], usedMs: draw(50) };
  if (!box.exit) return undefined;
  if (role !== 'gate') return { kind: 'exited', directory, exit: box.exit };
  const spec = task.spec.gates[ordinal];
  const verdict = box.exit.code === 0 ? 'passed' : box.exit.code === null ? 'errored' : 'failed';
  const { startedAt, endedAt } = box.exit;
  const gate = { attempt, ordinal, name: spec?.name ?? '', kind: spec?.kind ?? 'custom', required: spec?.required ?? true } as const;
  return { kind: 'exited', directory, exit: box.exit, gate: { ...gate, verdict, startedAt, endedAt } };
}

function reconcile(task: Task, machine: Machine, refs: Refs, draw: Draw): Command {
  const attempt = task.attempts.length;
  const process = task.processes.find(({ role }) => role === 'harness');
  const box = machine.box(process?.directory ?? '');
  // The same attempt is frozen alike however often it is begun again.
  const [ref, commit] = [`refs/singletree/${task.id}/${attempt}`, `commit of ${task.id} ${attempt}`];
  refs.set(ref, commit);
  const evidence = box.spoke ? evidenceOf(box.exit?.code, draw) : undefined;
  const changed = { changed: true, files: [], linesAdded: 1, linesRemoved: 0, notKept: [] };
  return {
    kind: 'reconciled',
    account: { turns: attempt },
    ...(evidence ? { evidence } : {}),
    tree: { commit, tree: `tree of ${commit}`, ref, ...changed },
  };
}

function evidenceOf(code: number | null | undefined, draw: Draw): Evidence {
  if (code === 0) return { result: 'completed' };
  const reasons = ['rate_limited', 'transient_api_error', 'quota_exhausted', 'unauthenticated', 'context_exhausted'] as const;
  const reason = reasons[draw(reasons.length + 1)];
  return { result: 'failed', ...(reason === undefined ? {} : { reason }) };
}
