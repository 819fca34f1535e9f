import { join } from 'node:path';
import { defined, type TraceContext } from '@singletree/harness';
import { heldBy } from '../supervision/containment/choose.ts';
import { prepareDirectory } from '../supervision/directory.ts';
import { markerOf, protocolVersion, type ProcessSpec } from '../supervision/protocol.ts';
import { scopesOf } from '../task/scopes.ts';
import type { ProcessRole, Task } from '../task/task.ts';
import { attemptSpanId, gateSpanId, traceContext } from '../trace.ts';
import { graces, type Rooms } from './rooms.ts';
import { needsDaemon } from './watchdogs/daemon-limits.ts';

export interface Run {
  readonly role: ProcessRole;
  readonly ordinal: number;
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly secretNames?: readonly string[];
  readonly stdin?: string;
  readonly oneOutput?: true;
  /** The process's own time limit; the task's remaining time holds beside it. */
  readonly timeoutMs?: number;
}

/** Bytes of one output of a gate or setup command. Their verdict is an exit status, so what is beyond is noise. */
export const otherOutputBytes: number = 64 * 1024 * 1024;

/** Writes the directory of a process that is not named in the store yet, and returns its name there. What an earlier try left is replaced. */
export async function prepareProcess(task: Task, run: Run, rooms: Rooms): Promise<string> {
  const attempt = task.attempts.at(-1)?.number ?? 0;
  const earlier = task.processes.filter((process) => process.role === run.role && process.ordinal === run.ordinal).length;
  const directory = join(task.id, String(attempt), `${run.role}-${run.ordinal}-${earlier + 1}`);
  const left = Math.max(1, task.spec.limits.timeoutMs - task.usedMs);
  const id = markerOf(rooms.processes.stateId, directory);
  const spec: ProcessSpec = {
    protocol: protocolVersion,
    id,
    role: run.role,
    file: run.file,
    args: run.args,
    cwd: run.cwd,
    env: { ...rooms.environment, ...traceVariables(task, attempt, run), ...run.env },
    secretNames: run.secretNames ?? [],
    limits: {
      timeoutMs: run.timeoutMs === undefined ? left : Math.min(left, run.timeoutMs),
      outputBytes: otherOutputBytes,
      ...(task.spec.limits.minFreeBytes ? { minFreeBytes: task.spec.limits.minFreeBytes } : {}),
      ...(run.role === 'harness' ? harnessLimits(task, rooms) : {}),
    },
    graces,
    ...(run.oneOutput ? { oneOutput: true } : {}),
    killSwitch: { file: rooms.processes.killSwitch, scopes: scopesOf(task) },
    ...heldBy(rooms.containment, id),
  };
  await prepareDirectory(join(rooms.processes.root, directory), spec, Buffer.from(run.stdin ?? '', 'utf8'));
  return directory;
}

/** The trace that an attempt's harness is in. */
export function attemptTrace(task: Task): TraceContext {
  return traceContext(task, attemptSpanId(task.id, task.attempts.at(-1)?.number ?? 0));
}

/** What an agent or a gate sends by itself can so lie below its span. A setup command has none. */
function traceVariables(task: Task, attempt: number, { role, ordinal }: Run): Readonly<Record<string, string>> {
  if (role === 'setup') return {};
  const { traceparent, tracestate } = role === 'harness' ? attemptTrace(task) : traceContext(task, gateSpanId(task.id, attempt, ordinal));
  return { TRACEPARENT: traceparent, ...(tracestate === undefined ? {} : { TRACESTATE: tracestate }) };
}

/** A setup command or a gate may be silent for as long as it runs: most of them are. */
function harnessLimits(task: Task, rooms: Rooms): ProcessSpec['limits'] {
  const { maxOutputBytes, attemptTimeoutMs, firstOutputMs, stallMs } = task.spec.limits;
  const { capabilities } = rooms.plugins.get(task.spec.harness).harness;
  const unsupervisedMs = needsDaemon(task, capabilities) ? rooms.unsupervisedMs : undefined;
  return defined({ outputBytes: maxOutputBytes, attemptTimeoutMs, firstOutputMs, stallMs, unsupervisedMs });
}
