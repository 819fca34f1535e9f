import type { FailureReason } from './reasons.ts';
import type { FinalState, Instant, GateVerdict, ProcessRole, SandboxLevel, StopKind, TaskState } from './task.ts';
import type { Edge } from './transitions.ts';
import type { TaskUsage } from './usage.ts';

/** What happened to a task, in one gapless sequence per task. Watchers see an event only after its commit. */
export interface TaskEvent {
  readonly sequence: number;
  readonly at: Instant;
  readonly body: TaskEventBody;
}

export type TaskEventBody =
  | { readonly kind: 'created' }
  | {
      readonly kind: 'state_changed';
      readonly from: TaskState;
      readonly to: TaskState;
      readonly edge: Edge;
      readonly reason?: FailureReason;
      readonly message?: string;
      /** Earliest time of the next claim, where the task waits for one. */
      readonly notBefore?: Instant;
    }
  | { readonly kind: 'workspace_opened'; readonly root: string; readonly head?: string }
  | { readonly kind: 'setup_started'; readonly attempt: number; readonly ordinal: number; readonly command: string }
  | {
      readonly kind: 'setup_finished';
      readonly attempt: number;
      readonly ordinal: number;
      readonly passed: boolean;
      readonly exitCode?: number;
      readonly signal?: string;
      /** Absent in events of before it was told. */
      readonly durationMs?: number;
      readonly message?: string;
    }
  | {
      readonly kind: 'attempt_started';
      readonly attempt: number;
      readonly harness: string;
      readonly resumed: boolean;
      readonly pid: number;
      readonly sandbox?: SandboxLevel;
    }
  | { readonly kind: 'adopted'; readonly attempt: number; readonly stdout: number; readonly stderr: number }
  | {
      readonly kind: 'output_recorded';
      readonly attempt: number;
      readonly source: 'stdout' | 'stderr';
      readonly from: number;
      readonly to: number;
    }
  | { readonly kind: 'harness'; readonly attempt: number; readonly event: HarnessFact }
  | {
      readonly kind: 'attempt_ended';
      readonly attempt: number;
      readonly state: 'ended' | 'lost' | 'revoked';
      readonly exitCode?: number;
      readonly signal?: string;
    }
  | { readonly kind: 'frozen'; readonly attempt: number; readonly commit: string; readonly ref: string; readonly filesChanged: number }
  | { readonly kind: 'gate_started'; readonly attempt: number; readonly ordinal: number; readonly name: string; readonly command: string }
  | {
      readonly kind: 'gate_finished';
      readonly attempt: number;
      readonly ordinal: number;
      readonly name: string;
      readonly verdict: GateVerdict;
      readonly exitCode?: number;
      readonly durationMs: number;
      readonly message?: string;
      readonly hint?: string;
    }
  | { readonly kind: 'process_lost'; readonly attempt: number; readonly role: ProcessRole; readonly ordinal: number }
  | { readonly kind: 'stop_requested'; readonly stop: StopKind; readonly by: string; readonly why?: string }
  | ({ readonly kind: 'usage_corrected'; readonly attempt: number } & UsageCorrection)
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'completed'; readonly state: FinalState };

/** What an attempt used, as it was told while it ran and as its session's files tell it. */
export interface UsageCorrection {
  readonly told?: TaskUsage;
  readonly corrected?: TaskUsage;
  readonly callsTold: number;
  readonly callsFound: number;
}

/** A harness event as a decoder gave it. The life cycle only carries it; its words belong to the plugin contract. */
export interface HarnessFact {
  readonly kind: string;
  readonly source: 'stdout' | 'stderr';
  /** Byte offset at which the line that gave it ends. */
  readonly endsAt: number;
}
