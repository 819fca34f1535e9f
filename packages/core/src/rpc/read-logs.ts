import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ProcessRole, ReadLogsResponseSchema, type ReadLogsRequest, type ReadLogsResponse } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import { processDirectories, type ProcessDirectory } from '../logs/directories.ts';
import { ProcessLog } from '../logs/process-log.ts';
import type { Store } from '../store/store.ts';
import { isFinal, type Task } from '../task/task.ts';
import { opt } from './to-proto/parts.ts';
import { enumOf, wordOf } from './words.ts';

export interface LogParts {
  readonly store: Store;
  /** The folder below which the directories of supervised processes lie. */
  readonly processRoot: string;
}

type Wanted = Pick<ReadLogsRequest, 'attempt' | 'roles' | 'gate' | 'follow'>;

const lookEveryMs = 250;

/**
 * What the processes of a task wrote, in the order in which they ran. Following, it goes on until the task is final, or the client has gone.
 * Throws LOG_NOT_FOUND where there is no such process until then, or none of their logs is kept; SHUTTING_DOWN where it is cut short.
 */
export async function* readLogs(taskId: string, wanted: Wanted, signal: AbortSignal, parts: LogParts): AsyncGenerator<ReadLogsResponse> {
  const logs = new Map<string, ProcessLog>();
  for (;;) {
    // Before its logs: what a final task had written by then is all that there is.
    const task = await parts.store.task(taskId);
    if (!task) return;
    checkGate(task, wanted.gate);
    const kept = (await processDirectories(parts.processRoot, taskId)).map((directory) => named(directory, task));
    for (const process of chosen(numbered(kept), wanted)) {
      const log = logs.get(process.path) ?? new ProcessLog(process.path);
      logs.set(process.path, log);
      for await (const { source, offset, bytes, at } of log.read()) {
        if (signal.aborted) throw cutShort();
        const { attempt, role, name, run } = process;
        yield create(ReadLogsResponseSchema, {
          attempt,
          role: enumOf(ProcessRole, role),
          name,
          run,
          source,
          offset: BigInt(offset),
          data: bytes,
          at: timestampFromMs(at),
        });
      }
    }
    if (!wanted.follow || isFinal(task.state)) {
      if (logs.size === 0) throw notFound(task, wanted, kept);
      return;
    }
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw cutShort();
  }
}

/** An end without an error means that there is no more. If it is the client that has gone, nobody hears this. */
function cutShort(): DomainError {
  return new DomainError('SHUTTING_DOWN', 'the daemon is shutting down; the logs go on', { hint: 'start it again with: singletree up' });
}

interface NamedProcess extends ProcessDirectory {
  /** Of the gate, or the setup's command line; empty for the harness. */
  readonly name: string;
}

function named(directory: ProcessDirectory, { spec }: Task): NamedProcess {
  const { role, ordinal } = directory;
  const name = { setup: spec.setup[ordinal], harness: '', gate: spec.gates[ordinal]?.name }[role];
  return { ...directory, name: name ?? '' };
}

/** Clients know a process by its attempt, role and name, so its run is counted among those. */
function numbered(processes: readonly NamedProcess[]): NamedProcess[] {
  const runs = new Map<string, number>();
  return processes.map((process) => {
    const key = JSON.stringify([process.attempt, process.role, process.name]);
    const run = (runs.get(key) ?? 0) + 1;
    runs.set(key, run);
    return { ...process, run };
  });
}

function chosen(processes: readonly NamedProcess[], { attempt, roles, gate }: Wanted): NamedProcess[] {
  const words = roles.map((role) => wordOf(ProcessRole, role));
  return processes.filter(
    (process) =>
      (attempt === undefined || process.attempt === attempt) &&
      (words.length === 0 || words.includes(process.role)) &&
      (gate === '' || (process.role === 'gate' && process.name === gate)),
  );
}

function checkGate({ id, spec }: Task, gate: string): void {
  const names = spec.gates.map(({ name }) => name);
  if (gate === '' || names.includes(gate)) return;
  throw new DomainError('UNKNOWN_GATE', `task ${id} has no gate "${gate}"`, {
    hint: names.length === 0 ? 'it has no gates' : `its gates: ${names.join(', ')}`,
    metadata: { task_id: id, gate },
  });
}

function notFound({ id, state, attempts }: Task, { attempt, gate }: Wanted, kept: readonly NamedProcess[]): DomainError {
  const meant = attempts.filter(({ number }) => attempt === undefined || number === attempt);
  const where = attempt === undefined ? `task ${id}` : `attempt ${attempt} of task ${id}`;
  const isKept = kept.some((process) => attempt === undefined || process.attempt === attempt);
  const message =
    attempt !== undefined && meant.length === 0
      ? `task ${id} has no attempt ${attempt}`
      : !isKept && meant.some(({ startedAt }) => startedAt !== undefined)
        ? `the logs of ${where} are no longer kept`
        : `${where} has started no ${gate === '' ? 'such process' : `gate "${gate}"`}`;
  const hint =
    kept.length > 0 ? `kept: ${[...new Set(kept.map(titleOf))].join(', ')}` : isFinal(state) ? undefined : 'follow the logs to wait for it';
  return new DomainError('LOG_NOT_FOUND', message, {
    ...opt('hint', hint),
    metadata: { task_id: id, kept_attempts: [...new Set(kept.map((process) => process.attempt))].join(',') },
  });
}

function titleOf({ attempt, role, name }: NamedProcess): string {
  return `attempt ${attempt} ${role === 'gate' ? `gate ${name}` : role}`;
}
