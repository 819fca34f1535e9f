import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskEvent } from '@singletree/sdk';
import type { ProcessIdentity } from './process-identity.ts';

/**
 * The files of a supervised agent, read without the daemon's help: a proof must not rest on the word of whom it is about. What each holds
 * is told in core's supervision/protocol.ts.
 */
export interface AgentFiles {
  readonly agent: ProcessIdentity;
  /** The process that holds the time limit; it survives the daemon. */
  readonly supervisor: ProcessIdentity;
  /** When the time limit ends the agent, by this machine's clock; absent if there is none. */
  readonly deadline: number | undefined;
  /** Bytes on standard output and standard error. */
  readonly lengths: Readonly<Record<'stdout' | 'stderr', number>>;
}

/** Throws if the attempt has no agent under supervision. */
export function readAgentFiles(processes: string, taskId: string, attempt: number): AgentFiles {
  const folder = join(processes, taskId, String(attempt));
  const name = readdirSync(folder).findLast((entry) => entry.startsWith('harness-'));
  if (name === undefined) throw new Error(`${folder} holds no agent's files`);
  const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, name, file), 'utf8'));
  const size = (file: string): number => statSync(join(folder, name, file)).size;
  const run = read('run.json');
  const limit = field(field(read('spec.json'), 'limits'), 'timeoutMs');
  return {
    agent: identityIn(run),
    supervisor: identityIn(read('owner')),
    deadline: typeof limit === 'number' ? Number(field(run, 'startedAt')) + limit : undefined,
    lengths: { stdout: size('stdout.log'), stderr: size('stderr.log') },
  };
}

export interface Coverage {
  /** Bytes of the log that no recorded piece holds. */
  readonly lost: number;
  /** Bytes that two pieces hold, or that are beyond the log's end. */
  readonly excess: number;
}

/** Holds the pieces that the daemons recorded of an attempt's log against the length of that log. Both are 0 exactly if they partition it. */
export function coverage(events: readonly TaskEvent[], attempt: number, source: 'stdout' | 'stderr', length: number): Coverage {
  const pieces = events
    .flatMap((event) => (event.kind === 'output_recorded' && event.attempt === attempt ? [event.outputRecorded] : []))
    .filter((piece) => piece.source === source)
    .sort((a, b) => a.fromOffset - b.fromOffset);
  let [lost, excess, end] = [0, 0, 0];
  for (const { fromOffset, toOffset } of pieces) {
    lost += Math.max(0, fromOffset - end);
    excess += Math.max(0, Math.min(end, toOffset) - fromOffset);
    end = Math.max(end, toOffset);
  }
  return { lost: lost + Math.max(0, length - end), excess: excess + Math.max(0, end - length) };
}

function identityIn(record: unknown): ProcessIdentity {
  return { pid: Number(field(record, 'pid')), startTime: Number(field(record, 'startTime')) };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}
