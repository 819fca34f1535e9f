import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Instant } from '../task/task.ts';
import { codeOf } from './system-error.ts';

/** Where the daemon of a state folder is reached, left there for its clients. */
export interface Address {
  /** A URL: `unix:` and the path of a socket, or the one over TCP where there is no socket. */
  readonly address: string;
  /** The URL over TCP, `http:` or `https:`; absent if there is none. */
  readonly tcp?: string | undefined;
  /** Where the token for that lies. */
  readonly tokenFile?: string | undefined;
  readonly pid: number;
  readonly version: string;
  readonly startedAt: Instant;
  /** Of the configuration it runs with; a client that would use another one says so. */
  readonly configHash?: string;
  /** Of the OTEL_ variables it was started with. */
  readonly otelHash?: string;
}

/** Replaces the address file in one piece. */
export function writeAddress(file: string, left: Address): void {
  const { address, tcp, tokenFile, pid, version, startedAt, configHash, otelHash } = left;
  const hashes = { config_hash: configHash, otel_hash: otelHash };
  const content = { address, tcp, token_file: tokenFile, pid, version, started_at: new Date(startedAt).toISOString(), ...hashes };
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
  const {
    address,
    tcp,
    token_file: tokenFile,
    pid,
    version,
    started_at: startedAt,
    config_hash: configHash,
    otel_hash: otelHash,
  } = content;
  return {
    address,
    ...(typeof tcp === 'string' ? { tcp } : {}),
    ...(typeof tokenFile === 'string' ? { tokenFile } : {}),
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
  readonly tcp?: unknown;
  readonly token_file?: unknown;
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
