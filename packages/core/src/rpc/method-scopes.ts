import type { DescMethod, DescService } from '@bufbuild/protobuf';
import {
  CompletionService,
  ControlService,
  DaemonService,
  HarnessService,
  Health,
  reflectionV1alpha,
  ServerReflection,
  TaskService,
  TelemetryService,
} from '@singletree/protocol';
import type { Scope } from '../state-folder/tokens.ts';

/** A row for each rpc: one without does not compile. */
type ScopesOf<S extends DescService> = { readonly [Name in keyof S['method']]: Scope };

const tasks: ScopesOf<typeof TaskService> = {
  createTask: 'submit',
  getTask: 'read',
  listTasks: 'read',
  watchTask: 'read',
  cancelTask: 'submit',
  terminateTask: 'submit',
  unblockTask: 'submit',
  rerunTask: 'submit',
  listModelCalls: 'read',
  readLogs: 'read',
};
const completions: ScopesOf<typeof CompletionService> = { listCompletions: 'read', exportCompletions: 'read' };
const control: ScopesOf<typeof ControlService> = { engageKillSwitch: 'admin', releaseKillSwitch: 'admin', listKillSwitches: 'read' };
const daemon: ScopesOf<typeof DaemonService> = { getStatus: 'read', stopDaemon: 'admin' };
const harnesses: ScopesOf<typeof HarnessService> = { listHarnesses: 'read' };
const telemetry: ScopesOf<typeof TelemetryService> = { previewTelemetry: 'read', sendTelemetry: 'admin', probeTelemetry: 'admin' };
const health: ScopesOf<typeof Health> = { check: 'read', list: 'read', watch: 'read' };
const reflection: ScopesOf<typeof ServerReflection> = { serverReflectionInfo: 'read' };

const table: readonly (readonly [service: DescService, scopes: Readonly<Record<string, Scope>>])[] = [
  [TaskService, tasks],
  [CompletionService, completions],
  [ControlService, control],
  [DaemonService, daemon],
  [HarnessService, harnesses],
  [TelemetryService, telemetry],
  [Health, health],
  [ServerReflection, reflection],
  [reflectionV1alpha.ServerReflection, reflection],
];

const byService: ReadonlyMap<string, Readonly<Record<string, Scope>>> = new Map(
  table.map(([{ typeName }, scopes]): [string, Readonly<Record<string, Scope>>] => [typeName, scopes]),
);

/** What a caller needs for a method. Throws for one that is not in the table: a service that is served without its rows. */
export function scopeOf(method: DescMethod): Scope {
  const scope = byService.get(method.parent.typeName)?.[method.localName];
  if (scope === undefined) throw new Error(`${method.parent.typeName}.${method.name} has no row in the table of scopes`);
  return scope;
}
