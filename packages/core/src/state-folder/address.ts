import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Instant } from '../task/task.ts';
import { codeOf } from './system-error.ts';

/** Where the daemon of a state folder is reached, left there for its clients. */
export interface Address {
  /** A URL: `unix:` and the path of a socket, or `http:`. */
  readonly address: string;
  readonly pid: number;
  readonly version: string;
  readonly startedAt: Instant;
  /** Of the configuration it runs with; a client that would use another one says so. */
  readonly configHash?: string;
  /** Of the OTEL_ variables it was started with. */
  readonly otelHash?: string;
}

/** Replaces the address file in one piece. */
export function writeAddress(file: string, { address, pid, version, startedAt, configHash, otelHash }: Address): void {
  const content = { address, pid, version, started_at: new Date(startedAt).toISOString(), config_hash: configHash, otel_hash: otelHash };
  const aside = `${file}.new`;
  writeFileSync(aside, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  renameSync(aside, file);
}

const lookEveryMs = 2_000;

/**
 * Leaves the address for as long as the daemon lives: a file that somebody removes or overwrites is written again, since without it nobody
 * finds the daemon, and nobody can start another.
 */
export function keepAddress(file: string, address: Address, everyMs: number = lookEveryMs): { stop(): void } {
  writeAddress(file, address);
  const look = (): void => {
    try {
      if (readAddress(file)?.pid !== address.pid) writeAddress(file, address);
    } catch {
      // A full disk passes; the next look tries again.
    }
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

/**
 * What the last daemon left, or undefined if there is nothing whole. It may be dead: a daemon that is killed leaves its address behind.
 */
export function readAddress(file: string): Address | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // After a loss of power the file may be there without its content.
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isAddressFile(content)) return undefined;
  const { address, pid, version, started_at: startedAt, config_hash: configHash, otel_hash: otelHash } = content;
  return {
    address,
    pid,
    version,
    startedAt: Date.parse(startedAt),
    ...(typeof configHash === 'string' ? { configHash } : {}),
    ...(typeof otelHash === 'string' ? { otelHash } : {}),
  };
}

export function removeAddress(file: string): void {
  rmSync(file, { force: true });
}

interface AddressFile {
  readonly address: string;
  readonly pid: number;
  readonly version: string;
  readonly started_at: string;
  readonly config_hash?: unknown;
  readonly otel_hash?: unknown;
}

function isAddressFile(value: unknown): value is AddressFile {
  return (
    typeof value === 'object' &&
    value !== null &&
    'address' in value &&
    typeof value.address === 'string' &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'version' in value &&
    typeof value.version === 'string' &&
    'started_at' in value &&
    typeof value.started_at === 'string'
  );
}
