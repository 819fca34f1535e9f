import { killSwitchOf, type KillSwitch } from './scopes.ts';
import { isDue, type Instant, type Task } from './task.ts';

/** Why a task in CREATED does not run yet. Computed whenever somebody looks, never stored. */
export type WaitingFor =
  | { readonly kind: 'slot'; readonly ahead: number; readonly limit: number; readonly scope: 'total' | 'harness' }
  | { readonly kind: 'workspace'; readonly heldBy: string }
  | { readonly kind: 'time'; readonly until: Instant }
  | { readonly kind: 'drain' }
  | { readonly kind: 'kill_switch'; readonly scope: string; readonly by: string; readonly why?: string };

/** What the dispatcher knows of the queue at this moment. */
export interface QueueView {
  readonly killSwitches: readonly KillSwitch[];
  readonly draining: boolean;
  readonly running: number;
  readonly limit: number;
  readonly runningByHarness: ReadonlyMap<string, number>;
  readonly limitByHarness: ReadonlyMap<string, number>;
  /** Waiting tasks that would be claimed before this one. */
  readonly ahead: number;
  /** The task that holds this one's in-place workspace. */
  readonly workspaceHolder?: string;
}

export function waitingFor(task: Task, queue: QueueView, now: Instant): WaitingFor | undefined {
  if (task.state !== 'created') return undefined;
  const thrown = killSwitchOf(task, queue.killSwitches);
  if (thrown) return { kind: 'kill_switch', scope: thrown.scope, by: thrown.by, ...(thrown.why === undefined ? {} : { why: thrown.why }) };
  if (queue.draining) return { kind: 'drain' };
  if (task.notBefore !== undefined && !isDue(task, now)) return { kind: 'time', until: task.notBefore };
  if (queue.workspaceHolder !== undefined && queue.workspaceHolder !== task.id) return { kind: 'workspace', heldBy: queue.workspaceHolder };
  const harnessLimit = queue.limitByHarness.get(task.spec.harness);
  if (harnessLimit !== undefined && (queue.runningByHarness.get(task.spec.harness) ?? 0) >= harnessLimit) {
    return { kind: 'slot', ahead: queue.ahead, limit: harnessLimit, scope: 'harness' };
  }
  if (queue.running >= queue.limit) return { kind: 'slot', ahead: queue.ahead, limit: queue.limit, scope: 'total' };
  return undefined;
}
