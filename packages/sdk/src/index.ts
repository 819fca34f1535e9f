export { findAddress, parseAddress, stateFolder, type Address, type AddressOptions } from './address.ts';
export type { CompletionFilter, Completions, ExportCompletions, ListCompletions } from './completions.ts';
export { connect, type SendTelemetry, type Singletree, type StopMode } from './client.ts';
export type { CreateTask, GateInput, LimitsInput, RetryRuleInput } from './create-task.ts';
export type { ConnectOptions } from './credentials.ts';
export type { CallSettings } from './deadline.ts';
export {
  ConnectionLostError,
  DeadlineError,
  NoDaemonError,
  SingletreeError,
  TaskBlockedError,
  TlsError,
  TokenError,
  type TlsReason,
  type TokenReason,
} from './errors.ts';
export type { LogOptions } from './logs.ts';
export type { Plain } from './plain.ts';
export type { ChangeSettings, ListSettings, ModelCallSettings, Page, RunTask, StopSettings, Tasks } from './tasks.ts';
export type {
  Attempt,
  Complexity,
  DaemonStatus,
  EngagedKillSwitch,
  ExportPiece,
  FailureReason,
  GateKind,
  GateResult,
  Harness,
  Heartbeat,
  KillSwitch,
  LogChunk,
  ModelCall,
  Outcome,
  PermissionMode,
  ProcessRole,
  ReleasedKillSwitch,
  RetryRule,
  Task,
  TaskCompletionEvent,
  TaskEvent,
  TaskState,
  TaskType,
  TelemetryPreview,
  TelemetryProbe,
  WorkspaceMode,
} from './types.ts';
export type { WatchOptions } from './watch.ts';
export { toJson, toPlain } from './write.ts';
