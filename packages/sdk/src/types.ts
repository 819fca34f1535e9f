import type {
  Attempt as AttemptMessage,
  AttemptJson,
  EngageKillSwitchResponse,
  EngageKillSwitchResponseJson,
  ExportCompletionsResponse,
  ExportCompletionsResponseJson,
  GateResult as GateResultMessage,
  GateResultJson,
  GetStatusResponse,
  GetStatusResponseJson,
  Harness as HarnessMessage,
  HarnessJson,
  ReadLogsResponse,
  ReadLogsResponseJson,
  PreviewTelemetryResponse,
  PreviewTelemetryResponseJson,
  KillSwitch as KillSwitchMessage,
  KillSwitchJson,
  ModelCall as ModelCallMessage,
  ModelCallJson,
  ReleaseKillSwitchResponse,
  ReleaseKillSwitchResponseJson,
  Task as TaskMessage,
  TaskCompletionEvent as TaskCompletionEventMessage,
  TaskCompletionEventJson,
  TaskEvent as TaskEventMessage,
  TaskEventJson,
  TaskJson,
  TelemetryProbe as TelemetryProbeMessage,
  TelemetryProbeJson,
  WatchHeartbeat as WatchHeartbeatMessage,
  WatchHeartbeatJson,
} from '@singletree/protocol';
import type { Plain } from './plain.ts';

/** A task: what was asked for, and how far it is. */
export type Task = Plain<TaskMessage, TaskJson>;
/** One try at a task. */
export type Attempt = Plain<AttemptMessage, AttemptJson>;
/** Verdict of one gate on one attempt. */
export type GateResult = Plain<GateResultMessage, GateResultJson>;
/** An entry of a task's usage ledger: a model call, or, without `callId`, what the harness counts beyond every call that is known. */
export type ModelCall = Plain<ModelCallMessage, ModelCallJson>;
/** Something that happened to a task. `kind` says what, and is the name, in snake_case, of the member that tells more. */
export type TaskEvent = Plain<TaskEventMessage, TaskEventJson>;
/** The one record of a finished task. What is absent is unknown, which is not zero. */
export type TaskCompletionEvent = Plain<TaskCompletionEventMessage, TaskCompletionEventJson>;
/** A sign of life of a watched task to which nothing happened. */
export type Heartbeat = Plain<WatchHeartbeatMessage, WatchHeartbeatJson>;
/** A piece of what a process of a task wrote, as it is: untrusted bytes. Those of one log come in order and without gap. */
export type LogChunk = Plain<ReadLogsResponse, ReadLogsResponseJson>;
/** A coding agent, and what a probe found of it. */
export type Harness = Plain<HarnessMessage, HarnessJson>;
/** A kill switch that is thrown. */
export type KillSwitch = Plain<KillSwitchMessage, KillSwitchJson>;
/** What a kill switch has ended, and what of it is still there. */
export type EngagedKillSwitch = Plain<EngageKillSwitchResponse, EngageKillSwitchResponseJson>;
/** Whether there was such a switch, and which are left. */
export type ReleasedKillSwitch = Plain<ReleaseKillSwitchResponse, ReleaseKillSwitchResponseJson>;
/** What leaves the machine about a finished task: the body of the OTLP request, and what became of it. */
export type TelemetryPreview = Plain<PreviewTelemetryResponse, PreviewTelemetryResponseJson>;
/** A piece of an export of completion events, and the last of them in it: what `afterEventId` goes on from. */
export type ExportPiece = Plain<ExportCompletionsResponse, ExportCompletionsResponseJson>;
/** What became of a probe of one destination, for one signal. */
export type TelemetryProbe = Plain<TelemetryProbeMessage, TelemetryProbeJson>;
/** What a daemon is and does. */
export type DaemonStatus = Plain<GetStatusResponse, GetStatusResponseJson>;

export type TaskState = Task['state'];
export type TaskType = NonNullable<Task['taskType']>;
export type Complexity = NonNullable<Task['complexity']>;
export type PermissionMode = Task['permissions'];
export type WorkspaceMode = Task['workspace']['mode'];
export type GateKind = GateResult['kind'];
export type Outcome = TaskCompletionEvent['outcome'];
export type ProcessRole = LogChunk['role'];
/** What follows an attempt that ended for a reason, where that differs from the built-in table. */
export type RetryRule = Task['retry'][number];
export type FailureReason = NonNullable<TaskCompletionEvent['failure']>['reason'];
