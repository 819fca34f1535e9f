import { readFileSync } from 'node:fs';
import { readAddress, statePaths } from '@singletree/core/local';
import { lockHolder, type Finding } from '@singletree/core/doctor';
import { NoDaemonError, type DaemonStatus, type Singletree } from '@singletree/sdk';
import { age, facts } from '../terminal/figures.ts';

/** How long a daemon that is well may take to say what it is. */
const answerLimitMs = 5_000;

/** The daemon of a state folder, and what is to be said of it. */
export interface DaemonFound {
  /** Absent if none answers. */
  readonly status?: DaemonStatus;
  readonly finding: Finding;
}

export async function findDaemon(client: Singletree, state: string): Promise<DaemonFound> {
  try {
    const status = await client.daemon.status({ signal: AbortSignal.timeout(answerLimitMs) });
    return { status, finding: runs(status) };
  } catch (error) {
    return { finding: silent(error, state) };
  }
}

export function runs({ pid, version, startedAt, address }: DaemonStatus): Finding {
  const message = facts(`runs: pid ${pid}`, `singletree ${version}`, `up ${age(Date.now() - startedAt.getTime())}`);
  return { check: 'daemon', status: 'ok', message, where: address };
}

function silent(error: unknown, state: string): Finding {
  const { address: file, lock } = statePaths(state);
  const left = addressLeft(file);
  const base = { check: 'daemon', where: file };
  // Not by its number alone: a daemon that was killed leaves its address, and since a reboot its number may be anybody's.
  const holder = lockHolder(lock);
  if (left && holder === left.pid) {
    const message = `process ${holder} has left its address, but does not answer at ${left.address}`;
    return { ...base, status: 'error', message, mend: `kill -9 ${holder} && singletree up --detach (the agents live on)` };
  }
  if (holder !== undefined) {
    const message = `process ${holder} has the state folder and has left no address yet: it is starting, or stuck`;
    return { check: 'daemon', status: 'warning', message, where: lock, mend: 'singletree doctor, in a moment' };
  }
  if (!(error instanceof NoDaemonError)) {
    return { ...base, status: 'error', message: error instanceof Error ? error.message : String(error), mend: 'singletree up --detach' };
  }
  if (!left) return { check: 'daemon', status: 'ok', message: 'none runs' };
  const message = `none runs; the last one, with pid ${left.pid}, has left its address when it died`;
  return { ...base, status: 'warning', message, mend: 'singletree up --detach' };
}

/** What is no file that we may read is told where the state folder is looked at. */
function addressLeft(file: string): ReturnType<typeof readAddress> {
  try {
    return readAddress(file);
  } catch {
    return undefined;
  }
}

/** The environment that a running process was started with; undefined where it cannot be read. */
export function environmentOf(pid: number): NodeJS.ProcessEnv | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return Object.fromEntries(
      entries
        .filter((entry) => entry.includes('='))
        .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
  } catch {
    return undefined;
  }
}
