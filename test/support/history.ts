import type { Task, TaskEvent, TaskState } from '@singletree/sdk';
import type { MarkedProcess, OtlpRequest } from '@singletree/testing';
import type { Ledger } from './ledger.ts';

/**
 * What a test has seen of a daemon, told by those who saw it: the clients of their calls and streams, the collector of what it was sent,
 * the processes themselves of their starts. Only recorded while the test runs; `checker.ts` judges it afterwards.
 */
export interface History {
  readonly calls: readonly Call[];
  readonly streams: readonly Stream[];
  /** States of tasks as answers told them, oldest first. */
  readonly sightings: readonly Sighting[];
  /** Every task that there is at the end. */
  readonly tasks: readonly TaskRecord[];
  /** A line for each start of a process that can tell of itself, by the process. */
  readonly starts: readonly Start[];
  /** What came to the collector; absent where export was off. */
  readonly deliveries?: readonly Pick<OtlpRequest, 'body' | 'acknowledged'>[];
  /** What is left at the end; absent where nobody looked. */
  readonly left?: Left;
}

/** One try of one call. A client that tries again does so under the same request id. */
export interface Call {
  /** `kill_switch`: one of the tasks that the switch was said to end. */
  readonly kind: 'create' | StopCall | 'kill_switch';
  readonly requestId: string;
  /** The task that is to be stopped. */
  readonly taskId?: string;
  /** Milliseconds of the wall clock. */
  readonly begin: number;
  readonly end: number;
  readonly result: CallResult;
}

export type StopCall = 'cancel' | 'terminate';

export type CallResult =
  | { readonly kind: 'answered'; readonly taskId: string; readonly state: TaskState }
  /** The daemon said no: nothing was done. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The answer was lost: it was done, or it was not. */
  | { readonly kind: 'unknown'; readonly why: string };

/** One stream of events, as it came: nothing is put in order or left out. */
export interface Stream {
  readonly taskId: string;
  readonly afterSequence: number;
  readonly events: readonly TaskEvent[];
  /** Whether the daemon closed it in good order, which it does after the final event. */
  readonly whole: boolean;
}

export interface Sighting {
  readonly taskId: string;
  readonly state: TaskState;
}

export interface TaskRecord {
  readonly task: TaskSeen;
  /** Its events from the first on, each time that they were read whole. */
  readonly readings: readonly (readonly TaskEvent[])[];
  /** Its usage ledger at the end; absent where nobody read it. */
  readonly ledger?: Ledger;
}

/** What is judged of a task. */
export type TaskSeen = Pick<Task, 'id' | 'title' | 'state' | 'lastSequence' | 'labels' | 'attempts' | 'completion' | 'failure' | 'limits'>;

/** A process that wrote down that it had been started. */
export interface Start {
  readonly taskId: string;
  readonly attempt: number;
  /** Its directory within the attempt: `harness-0-1`. */
  readonly process: string;
}

/** What a state folder and the machine hold when nothing is under way any more. */
export interface Left {
  readonly leases: readonly { readonly taskId: string; readonly state: string }[];
  /** Process directories in which something may still be started, or may run. */
  readonly openDirectories: readonly string[];
  readonly worktrees: readonly string[];
  readonly processes: readonly MarkedProcess[];
  /** Bytes of the outputs of harnesses, by `TASK/ATTEMPT/stdout` and `…/stderr`. */
  readonly outputs: ReadonlyMap<string, number>;
  /** Commits by their refs below `refs/singletree/`. */
  readonly refs: ReadonlyMap<string, string>;
}
