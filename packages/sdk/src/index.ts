export { findAddress, stateFolder, type AddressOptions } from './address.ts';
export { connect, type Singletree, type StopMode } from './client.ts';
export type { CreateTask, GateInput, LimitsInput } from './create-task.ts';
export { ConnectionLostError, NoDaemonError, SingletreeError } from './errors.ts';
export type { Plain } from './plain.ts';
export type { CallSettings, CancelSettings, ListSettings, Page, RunTask, Tasks } from './tasks.ts';
export type {
  Attempt,
  Complexity,
  DaemonStatus,
  FailureReason,
  GateKind,
  GateResult,
  Harness,
  Heartbeat,
  Outcome,
  PermissionMode,
  Task,
  TaskCompletionEvent,
  TaskEvent,
  TaskState,
  TaskType,
  WorkspaceMode,
} from './types.ts';
export type { WatchOptions } from './watch.ts';
export { toJson, toPlain } from './write.ts';
