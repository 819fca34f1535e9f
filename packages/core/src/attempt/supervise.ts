import { watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { requestStop, revoke } from '../supervision/directory.ts';
import { startShim } from '../supervision/host.ts';
import { look, readSpec } from '../supervision/look.ts';
import {
  markerOf,
  type ExitRecord,
  type Hardness,
  type ProcessIdentity,
  type ProcessSpec,
  type StopRequest,
} from '../supervision/protocol.ts';
import { monotonicMs } from '../supervision/shim/monotonic.ts';
import { findLiving } from '../supervision/shim/process-table.ts';
import { signalProcess } from '../supervision/shim/tree.ts';
import { sweepDead } from '../supervision/sweep.ts';
import type { Command } from '../task/commands.ts';
import type { LimitStop, ProcessExit, Stop, StopKind, Task, TaskProcess } from '../task/task.ts';
import { Patience } from './patience.ts';
import type { Rooms } from './rooms.ts';
import { lengthsOf } from './transcript.ts';
import { Vouching } from './vouching.ts';

/** How a supervised process came to its end. */
export type Ended =
  | { readonly kind: 'exited'; readonly exit: ExitRecord }
  | { readonly kind: 'dead'; readonly survivors: readonly number[]; readonly usedMs: number }
  | { readonly kind: 'revoked' };

export interface Watch {
  /** Read at each start of a shim, so that a second one gets the same frame. Undefined: they cannot be read, so nothing may be started. */
  readonly secrets?: () => Promise<Readonly<Record<string, string>> | undefined>;
  /** Called at once when a file of the directory has changed, whatever else goes on. Only a hint. */
  readonly onHint?: () => void;
  /** Called whenever there may be new output. */
  readonly onOutput?: () => Promise<void>;
  /** Asked while the process lives: why the daemon itself wants it to end. */
  readonly ownStop?: () => Promise<LimitStop | undefined>;
}

const pollMs = 250;
/** Shortest time between two looks, however often the directory changes. */
const shortestMs = 40;
/** Starts of a shim that never owns its directory, before the machine itself is at fault. */
const mostStarts = 10;

const hardnessOf: Readonly<Record<StopKind, Hardness>> = { cancel: 'interrupt', terminate: 'terminate', kill: 'kill' };

/**
 * Brings the open process of a task to its end: starts its shim where nobody owns the directory, hands recorded stops on to
 * it, and looks again until it has ended. Begun again after a crash it finds out by the same look what is left to do, so
 * adoption is nothing else.
 */
export async function supervise(task: Task, process: TaskProcess, rooms: Rooms, watched: Watch): Promise<Ended> {
  const directory = join(rooms.processes.root, process.directory);
  await using hints = hintsOf(directory, task.id, rooms, watched.onHint);
  let owned = process.state !== 'open';
  const limits = limitsOf(directory);
  const patience = new Patience(monotonicMs());
  const vouching = new Vouching(directory);
  for (let starts = 0; ;) {
    const seen = await look(directory);
    switch (seen.kind) {
      case 'unowned': {
        const stop = (await rooms.store.task(task.id))?.stop;
        const secrets = stop ? undefined : await (watched.secrets ?? noSecrets)();
        if (!secrets) {
          if (await revoke(directory)) return { kind: 'revoked' };
          continue;
        }
        const { gone } = await startShim(directory, secrets);
        if (gone && ++starts >= mostStarts) throw new Error(`${mostStarts} shims in a row did not come to own ${directory}`);
        continue;
      }
      case 'alive': {
        // Once it has written down the child: what is told of its start is the child's pid and the level that was reached.
        if (!owned && seen.run) {
          const { pid, startedAt, sandbox } = seen.run;
          await rooms.engine.execute(task.id, { kind: 'owned', directory: process.directory, pid, at: startedAt, sandbox }, task.fence);
          owned = true;
        }
        await watched.onOutput?.();
        const own = await watched.ownStop?.();
        if (own) await requestStop(directory, { kind: own, hardness: hardnessOfOwn(own), by: 'daemon', at: rooms.now() });
        // Only now: whoever cannot read what the process says holds it to no limit.
        await vouching.renew((await limits()).unsupervisedMs);
        const stop = (await rooms.store.task(task.id))?.stop;
        if (stop) await requestStop(directory, requestOf(stop));
        wake(seen.owner);
        const { stdout, stderr } = lengthsOf(directory);
        const standing = { bytes: stdout + stderr, stopAsked: own !== undefined || stop !== undefined };
        if (patience.isOver(monotonicMs(), await limits(), standing)) signalProcess(seen.owner, 'SIGKILL');
        break;
      }
      case 'exited':
        await watched.onOutput?.();
        return { kind: 'exited', exit: seen.exit };
      // Somebody has removed its directory. The marker still tells what belongs to it, the shim included.
      case 'gone':
      case 'dead': {
        const { survivors, usedMs } = await sweepDead(directory, markerOf(rooms.processes.stateId, process.directory));
        await watched.onOutput?.();
        return { kind: 'dead', survivors, usedMs };
      }
      case 'revoked':
        return { kind: 'revoked' };
    }
    await hints.next(pollMs);
  }
}

/** A shim that is stopped enforces no limit and hands on no stop. Only what it runs would stop it, so it is continued. */
function wake(shim: ProcessIdentity): void {
  if (findLiving(shim)?.state === 'T') signalProcess(shim, 'SIGCONT');
}

/** A harness that is interrupted may say its closing words; one that the daemon cannot read says them to nobody. */
function hardnessOfOwn(kind: LimitStop): Hardness {
  return kind === 'given_up' ? 'terminate' : 'interrupt';
}

/** The limits that the shim was given, read when they are first asked for. */
function limitsOf(directory: string): () => Promise<ProcessSpec['limits']> {
  let limits: ProcessSpec['limits'] | undefined;
  return async () => (limits ??= (await readSpec(directory)).record?.limits ?? {});
}

async function noSecrets(): Promise<Readonly<Record<string, string>>> {
  return {};
}

function requestOf(stop: Stop): StopRequest {
  return { kind: stop.kind, hardness: hardnessOf[stop.harder ?? stop.kind], by: stop.by, at: stop.at };
}

/** What is told of a process that left no ending of its own. */
export function withoutExit(ended: Exclude<Ended, { kind: 'exited' }>, directory: string): Command {
  if (ended.kind === 'revoked') return { kind: 'revoked', directory };
  return { kind: 'died', directory, survivors: ended.survivors, usedMs: ended.usedMs };
}

/** The life cycle's words for what a shim wrote down. */
export function exitOf(record: ExitRecord): ProcessExit {
  return {
    code: record.code,
    signal: record.signal,
    ...(record.stop ? { stop: record.stop.kind } : {}),
    ...(record.outOfMemory ? { outOfMemory: true } : {}),
    ...(record.spawnError ? { spawnError: `${record.spawnError.code}: ${record.spawnError.message}` } : {}),
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    durationMs: record.durationMs,
    lengths: record.lengths,
    survivors: record.survivors,
  };
}

/** Waits for a sign that something changed, in the directory or in the task; both are only hints, the poll is the truth. */
function hintsOf(
  directory: string,
  taskId: string,
  rooms: Rooms,
  onChange: () => void = () => undefined,
): AsyncDisposable & { next(atMostMs: number): Promise<void> } {
  let wake: () => void = () => undefined;
  let pending = false;
  const hint = (): void => {
    pending = true;
    wake();
  };
  let files: FSWatcher | undefined;
  try {
    files = watch(directory, () => {
      onChange();
      hint();
    }).on('error', () => undefined);
  } catch {
    // The machine has no watches left, or the directory has vanished, which the next look finds out.
  }
  const stopListening = rooms.store.onCommit((changed) => changed === taskId && hint());
  return {
    async next(atMostMs) {
      await pause(shortestMs);
      if (!pending && atMostMs > shortestMs) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, atMostMs - shortestMs);
        await promise;
        clearTimeout(timer);
      }
      pending = false;
    },
    async [Symbol.asyncDispose]() {
      files?.close();
      stopListening();
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
