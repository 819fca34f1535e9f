import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import util from 'node:util';
import { failpoint } from '../failpoints.ts';
import { look, readSpec } from './look.ts';
import { markerName, type ProcessFile } from './protocol.ts';

export interface HostCallOptions {
  readonly cwd?: string;
  /** The whole environment: nothing of the daemon's own is added. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
  readonly timeoutMs?: number;
  /** Most bytes of standard output; more ends the call as `truncated`. */
  readonly maxBytes?: number;
  /** Ends the call when aborted: the program may put its files in order first. The call then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface HostAnswer {
  /** Absent where a signal ended the program. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Killed with its process group because it took too long. */
  readonly timedOut: boolean;
  /** Killed with its process group because it said too much. */
  readonly truncated: boolean;
}

const stderrBytes = 1024 * 1024;
/** How long a descendant may go on holding the outputs after the program itself has ended. */
const drainMs = 1_000;
/** How long a program whose call is aborted may take to put its files in order: git removes its locks and half-made checkouts. */
const abortGraceMs = 2_000;

/**
 * Runs a short program of the daemon's own, a git call or a probe, to its end. It dies with nothing and survives nothing: what may take
 * long, or must survive the daemon, belongs under a shim. Rejects with the system's error (`code: 'ENOENT'`) if it cannot be started.
 */
export async function hostCall(file: string, args: readonly string[], options: HostCallOptions = {}): Promise<HostAnswer> {
  const { cwd = '/', env = {}, stdin, timeoutMs = 60_000, maxBytes = 64 * 1024 * 1024, signal: ending } = options;
  ending?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<HostAnswer>();
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  child.once('error', reject);
  // Where descriptors are lacking there are not even the streams; why is told in a moment.
  if (child.pid === undefined) return await promise;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let [stdoutLength, stderrLength, timedOut, truncated] = [0, 0, false, false];
  const killGroup = (signal: NodeJS.Signals = 'SIGKILL'): void => {
    // Until its exit is told it is not reaped, so the number is still its own.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, signal);
  };
  let timer = setTimeout(() => {
    timedOut = true;
    killGroup();
  }, timeoutMs);
  const onAbort = (): void => {
    clearTimeout(timer);
    killGroup('SIGTERM');
    timer = setTimeout(killGroup, abortGraceMs);
  };
  ending?.addEventListener('abort', onAbort, { once: true });
  child.stdout.on('data', (chunk: Buffer) => {
    stdoutLength += chunk.length;
    if (stdoutLength <= maxBytes) stdout.push(chunk);
    else if (!truncated) {
      truncated = true;
      killGroup();
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderrLength < stderrBytes) stderr.push(chunk);
    stderrLength += chunk.length;
  });
  // A program that does not read its input is no failure of the call.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin ?? new Uint8Array());
  const release = (): void => {
    clearTimeout(timer);
    ending?.removeEventListener('abort', onAbort);
  };
  child.once('exit', () => {
    release();
    const drained = setTimeout(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()), drainMs);
    child.once('close', (code, signal) => {
      clearTimeout(drained);
      // What it did of its work is nobody's to judge by: it was cut off.
      if (ending?.aborted) reject(ending.reason);
      else resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8'), timedOut, truncated });
    });
  });
  return await promise;
}

/** The shim below this file: source where this is source, built where this is built. */
const shimPath = fileURLToPath(new URL(`./shim/main${extname(import.meta.url)}`, import.meta.url));
/** A tenth less memory and three threads fewer, measured over a minute; every other flag that was tried changed nothing. */
const nodeFlags = ['--max-semi-space-size=1', '--v8-pool-size=0'];
/** The shim gives up after 5 s without a whole frame; a machine that swaps gets as long again. */
const decisionLimitMs = 10_000;
/** From a closed pipe to the end of the shim that had it. */
const exitLimitMs = 1_000;

/**
 * Starts a shim for a prepared directory and hands the secrets over. Resolves when the directory has its owner or this shim is gone without
 * (`gone`: it may be started again). Rejects with the system's code where that is why: `ENOSPC`, `EMFILE`. A daemon that dies on the way leaves no
 * owner, since the shim takes a whole frame or none.
 */
export async function startShim(directory: string, secrets: Readonly<Record<string, string>>): Promise<{ gone: boolean }> {
  const { record: spec } = await readSpec(directory);
  if (spec === undefined)
    throw new Error(`${directory}/spec.json is missing, torn or of another protocol: a directory is prepared before its shim is started`);
  const names = Object.keys(secrets).sort();
  if (names.join() !== [...spec.secretNames].sort().join()) {
    throw new Error(`${directory}/spec.json asks for the secrets [${spec.secretNames.join(', ')}]; given were [${names.join(', ')}]`);
  }
  await failpoint('supervision.spawn.before');
  const log = openSync(join(directory, 'shim.log' satisfies ProcessFile), 'a', 0o600);
  // The marker is the shim's own too: between fork and exec its child shows the shim's environment, and must be found there.
  const env = { [markerName]: spec.id, ...compileCache(), ...shimFailpoints() };
  const shim = spawn(process.execPath, [...nodeFlags, shimPath, directory], {
    cwd: '/',
    env,
    detached: true,
    stdio: ['ignore', 'ignore', log, 'pipe'],
  });
  closeSync(log);
  shim.unref();
  const failed = Promise.withResolvers<never>();
  shim.once('error', (cause) => failed.reject(new Error(`cannot start a shim for ${directory}: ${cause.message}`, { cause })));
  const pipe = shim.stdio[3];
  if (!isDuplex(pipe)) return await failed.promise;
  const exit = new Promise<number | null>((resolve) => shim.once('exit', resolve));
  await Promise.race([handOver(pipe, secrets), failed.promise]);
  if ((await look(directory)).kind !== 'unowned') return { gone: false };
  const errno = await Promise.race([exit, sleep(exitLimitMs, null, { ref: false })]);
  const code = errno === null || errno <= 1 ? undefined : util.getSystemErrorName(-errno);
  if (code !== undefined) throw Object.assign(new Error(`the shim for ${directory} could not begin: ${code}`), { code });
  return { gone: true };
}

/** Writes the frame and waits until the shim closes its end: when it owns the directory, or dies. */
async function handOver(pipe: Duplex, secrets: Readonly<Record<string, string>>): Promise<void> {
  await failpoint('supervision.spawn.after');
  const closed = new Promise<void>((resolve) => pipe.once('close', resolve));
  // A shim that is gone says so by closing; what the write thinks of it adds nothing.
  pipe.on('error', () => undefined);
  pipe.resume();
  const timer = setTimeout(() => pipe.destroy(), decisionLimitMs);
  const frame = frameOf(secrets);
  const middle = frame.length >> 1;
  await write(pipe, frame.subarray(0, middle));
  await failpoint('supervision.frame.middle');
  await write(pipe, frame.subarray(middle));
  await failpoint('supervision.frame.after');
  await closed;
  clearTimeout(timer);
}

/** Four bytes of length, a body of JSON name → value, the body's SHA-256. No secrets: an empty body. */
function frameOf(secrets: Readonly<Record<string, string>>): Buffer {
  const body = Object.keys(secrets).length === 0 ? Buffer.alloc(0) : Buffer.from(JSON.stringify(secrets), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body, hash('sha256', body, 'buffer')]);
}

/** Resolves when the bytes are with the kernel, or will never be. */
function write(pipe: Duplex, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => pipe.write(bytes, () => resolve()));
}

function isDuplex(stream: unknown): stream is Duplex {
  return typeof stream === 'object' && stream !== null && 'write' in stream && 'resume' in stream;
}

/** Where the daemon keeps compiled code, its shims find theirs: a start costs a fifth. They hand nothing of it on to what they run. */
function compileCache(): Record<string, string> {
  const { NODE_COMPILE_CACHE: folder } = process.env;
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

/** A shim reads those that name it; the daemon's own would only confuse it. */
function shimFailpoints(): Record<string, string> {
  const { SINGLETREE_FAILPOINTS: points = '', SINGLETREE_FAILPOINT_DIR: directory } = process.env;
  const own = points.split(',').filter((entry) => entry.startsWith('shim.'));
  if (own.length === 0) return {};
  return { SINGLETREE_FAILPOINTS: own.join(','), ...(directory !== undefined && { SINGLETREE_FAILPOINT_DIR: directory }) };
}
