import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failpoint } from '../failpoints.ts';
import { look } from './look.ts';
import type { Owner, ProcessFile, ProcessSpec, StopRequest } from './protocol.ts';
import { placeFile, syncDirectory } from './shim/files.ts';
import { bootId, readStat } from './shim/process-table.ts';
import { readStops } from './shim/requests.ts';

const file = (directory: string, name: ProcessFile): string => join(directory, name);

/** Writes all that a shim needs, durably: once this is done, the transaction that names the directory may be committed. What an earlier try left is replaced. */
export async function prepareDirectory(directory: string, spec: ProcessSpec, stdin: Uint8Array): Promise<void> {
  await failpoint('supervision.prepare.before');
  const created = await mkdir(directory, { recursive: true, mode: 0o700 });
  const { kind } = await look(directory);
  if (kind !== 'unowned') throw new Error(`${directory} is ${kind}: a process directory is prepared once and never used again`);
  await mkdir(file(directory, 'stop'), { recursive: true, mode: 0o700 });
  await placeFile(file(directory, 'stdin'), stdin, 'replace');
  await placeFile(file(directory, 'spec.json'), JSON.stringify(spec), 'replace');
  const top = dirname(created ?? directory);
  for (let path = dirname(directory); path.length >= top.length; path = dirname(path)) {
    await syncDirectory(path);
    if (path === top) break;
  }
  await failpoint('supervision.prepare.after');
}

/** Wins the directory for the daemon, so that no shim can start anything in it any more. False: a shim owns it. */
export async function revoke(directory: string): Promise<boolean> {
  const self = readStat(process.pid);
  if (self === undefined) throw new Error('/proc shows no process of our own: is it mounted?');
  const owner: Owner = { who: 'daemon', pid: self.pid, startTime: self.startTime, bootId: bootId() };
  const won = await placeFile(file(directory, 'owner'), JSON.stringify(owner), 'claim', (moment) =>
    failpoint(`supervision.revoke.${moment}`),
  );
  return won || (await look(directory)).kind === 'revoked';
}

/** Asks the shim to stop its child. Asked again with the same kind and hardness it changes nothing; the shim never gets softer. */
export async function requestStop(directory: string, stop: StopRequest): Promise<void> {
  for (;;) {
    if (readStops(directory).some(({ kind, hardness }) => kind === stop.kind && hardness === stop.hardness)) return;
    const numbers = (await readdir(file(directory, 'stop'))).filter((name) => /^\d+$/.test(name)).map(Number);
    const path = join(file(directory, 'stop'), String(Math.max(0, ...numbers) + 1));
    if (await placeFile(path, JSON.stringify(stop), 'claim', (moment) => failpoint(`supervision.stop.${moment}`))) return;
  }
}

/** Lets a process whose limits need the daemon run on until then, in nanoseconds of the monotonic clock (`process.hrtime.bigint`). Not synced: it means nothing after a reboot. */
export async function vouch(directory: string, until: bigint): Promise<void> {
  const path = file(directory, 'vouch');
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, String(until), { mode: 0o600 });
  await rename(temporary, path);
}

export type LogName = 'stdout' | 'stderr';

/**
 * Bytes of a log from an offset, at most `maxBytes`; empty where there is no more yet. At once, for what has just been written is in memory: a limit that
 * is reached can wait for nobody.
 */
export function readLog(directory: string, log: LogName, from: number, maxBytes: number): Buffer {
  const descriptor = opened(file(directory, `${log}.log`));
  if (descriptor === undefined) return Buffer.alloc(0);
  try {
    const length = Math.max(0, Math.min(maxBytes, fstatSync(descriptor).size - from));
    const buffer = Buffer.allocUnsafe(length);
    return buffer.subarray(0, length === 0 ? 0 : readSync(descriptor, buffer, 0, length, from));
  } finally {
    closeSync(descriptor);
  }
}

function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    return unlessMissing(error);
  }
}

/** Bytes in a log now; 0 before the shim has made it. */
export function logLength(directory: string, log: LogName): number {
  return statSync(file(directory, `${log}.log`), { throwIfNoEntry: false })?.size ?? 0;
}

/** How long the logs were at a moment. */
export interface ClockLine {
  /** Wall time, milliseconds. */
  readonly wall: number;
  /** Milliseconds of the monotonic clock. */
  readonly monotonic: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** The shim's record of how its logs grew and of its own life, oldest first; the first line is the start of the child. What is torn is left out. */
export async function readClock(directory: string): Promise<ClockLine[]> {
  return parseClock((await readFile(file(directory, 'clock.log'), 'latin1').catch(unlessMissing)) ?? '');
}

export function parseClock(text: string): ClockLine[] {
  return (
    text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .map((line) => line.split(' ').map(Number))
      // Blocks that a loss of power has left empty are no moment: a time that is no number would end all counting.
      .filter((line) => line.every(Number.isFinite))
      .flatMap(([wall, monotonic, stdout, stderr]) =>
        wall === undefined || monotonic === undefined || stdout === undefined || stderr === undefined
          ? []
          : [{ wall, monotonic, stdout, stderr }],
      )
  );
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
