import type { HarnessFact, UsageCorrection } from './events.ts';
import type { LedgerEntry } from './ledger.ts';
import type { FailureReason } from './reasons.ts';
import type {
  Attempt,
  AttemptAccount,
  Estimate,
  Evidence,
  Failure,
  FrozenTree,
  GateResult,
  Instant,
  LiveProgress,
  OpenedWorkspace,
  ProcessExit,
  SandboxLevel,
  StopKind,
  WorkspaceBase,
} from './task.ts';

/**
 * What may be asked of a task. The first group comes from clients, the rest from whoever holds the lease. A driver states
 * facts; which edge follows from them is decided here, never by the driver.
 */
export type Command =
  | { readonly kind: 'stop'; readonly stop: StopKind; readonly by: string; readonly why?: string; readonly scope?: string }
  | { readonly kind: 'unblock' }
  /** A task that has been blocked since this time has waited as long as it may. */
  | { readonly kind: 'expire'; readonly since: Instant }
  /** The dispatcher takes the task: a new attempt, or the gate phase of a task that waits in review. */
  | { readonly kind: 'claim'; readonly owner: string; readonly estimate?: Estimate }
  /** A new daemon goes on where a dead one stopped. */
  | { readonly kind: 'take_over'; readonly owner: string }
  | { readonly kind: 'open_workspace'; readonly workspace: OpenedWorkspace }
  /** Names the directory of a setup command or gate; the process is started after this is committed. */
  | { readonly kind: 'open_process'; readonly role: 'setup' | 'gate'; readonly ordinal: number; readonly directory: string }
  /** Every setup command has passed: what the workspace is now is what the attempts are judged against. */
  | { readonly kind: 'set_base'; readonly base: WorkspaceBase }
  | {
      readonly kind: 'start';
      readonly directory: string;
      readonly session: NonNullable<Attempt['session']>;
      readonly prompt: NonNullable<Attempt['prompt']>;
      readonly decoderVersion: number;
      readonly apiKeyVariable?: string;
      readonly spansTellUsage?: true;
      readonly baseline?: NonNullable<Attempt['baseline']>;
      /** What the probe has against the CLI although it may run; told with the task's first attempt. */
      readonly warning?: string;
    }
  /** A shim owns the directory: from here on the attempt counts as started. */
  | { readonly kind: 'owned'; readonly directory: string; readonly pid: number; readonly at: Instant; readonly sandbox?: SandboxLevel }
  /** Something that who watches the task should know, before it becomes an ending. `about`: once an attempt, and what a watcher is shown from now on. */
  | { readonly kind: 'warn'; readonly message: string; readonly about?: string; readonly live?: LiveProgress }
  | {
      readonly kind: 'record';
      readonly attempt: number;
      readonly source: 'stdout' | 'stderr';
      readonly from: number;
      readonly to: number;
      readonly events: readonly HarnessFact[];
      /** The model calls among the events. */
      readonly calls?: readonly LedgerEntry[];
      readonly live?: LiveProgress;
    }
  | {
      readonly kind: 'exited';
      readonly directory: string;
      readonly exit: ProcessExit;
      readonly gate?: GateResult;
      readonly message?: string;
    }
  /** The shim died without an ending. What it left has been swept. */
  | {
      readonly kind: 'died';
      readonly directory: string;
      readonly survivors: readonly number[];
      /** Milliseconds that it ran, as far as its last signs of life tell. */
      readonly usedMs: number;
    }
  /** The daemon won the directory, so nothing was ever started in it. */
  | { readonly kind: 'revoked'; readonly directory: string }
  | {
      readonly kind: 'reconciled';
      readonly account: AttemptAccount;
      /** The attempt's ledger, whole. */
      readonly calls?: readonly LedgerEntry[];
      /** Where the session's files told other figures than the harness while it ran. */
      readonly correction?: UsageCorrection;
      readonly evidence?: Evidence;
      /** Or why there is none: the attempt is accounted for all the same. */
      readonly tree: FrozenTree | Failure;
      /** A failure that the driver found itself and that explains the end better than the exit does, a decoder that threw for example. */
      readonly failure?: Failure;
    }
  /** Every gate has its result for the newest frozen tree. */
  | { readonly kind: 'judged' }
  /** Something that passes by itself stood in the way: wait and be claimed again, uncharged. */
  | { readonly kind: 'release'; readonly message: string; readonly notBefore: Instant }
  | { readonly kind: 'fail'; readonly reason: FailureReason; readonly message: string }
  | { readonly kind: 'block'; readonly reason: FailureReason; readonly message: string; readonly until?: Instant; readonly probe?: true };

export type CommandKind = Command['kind'];
