import { spawn, type ChildProcess } from 'node:child_process';
import { hash, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, vi } from 'vitest';
import { heldBy } from './containment/choose.ts';
import { prepareDirectory } from './directory.ts';
import { startShim } from './host.ts';
import { look } from './look.ts';
import { markerName, markerOf, protocolVersion, type ExitRecord, type ProcessSpec } from './protocol.ts';
import { cgroupDirectory } from './shim/cgroup-files.ts';
import { isLiving, readMarker, readTable, type ProcessStat } from './shim/process-table.ts';
import { signalProcess } from './shim/tree.ts';

/** Each of these tests waits for processes, and many of them run at once. */
vi.setConfig({ testTimeout: 20_000 });

/** A state folder of this test file's own. After the last test no process may carry its marker; what is left is ended and makes the file fail. */
export const stateId: string = randomUUID();
export const root: string = mkdtempSync(join(tmpdir(), 'singletree-supervision-'));

/** What stands in for daemons. A test that fails may leave one, and it holds on to the output of whoever waits for all tests. */
const hosts: ChildProcess[] = [];

afterAll(async () => {
  for (const host of hosts) host.kill('SIGKILL');
  // A shim whose ending a test has just read may still be on its way out.
  await until(() => living().length === 0).catch(() => undefined);
  const left = living();
  for (const member of left) signalProcess(member, 'SIGKILL');
  rmSync(root, { recursive: true, force: true });
  expect(left).toEqual([]);
});

/** Living processes whose marker begins with this. */
export function living(marker = markerOf(stateId, '')): ProcessStat[] {
  return readTable().filter((stat) => isLiving(stat) && readMarker(stat.pid)?.startsWith(marker) === true);
}

/** The first value that is something: not false, empty or absent. */
export async function until<T>(condition: () => T | Promise<T>, limitMs = 15_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${condition.toString()}`);
    await sleep(10);
  }
}

export type Wanted = Partial<Omit<ProcessSpec, 'graces'>> & { readonly stdin?: string; readonly graces?: Partial<ProcessSpec['graces']> };

/** A directory that waits for its shim. `script` is what /bin/sh runs. */
export async function prepare(script: string, wanted: Wanted = {}): Promise<string> {
  const { stdin = '', graces, ...rest } = wanted;
  const name = randomUUID();
  const id = markerOf(stateId, name);
  const spec: ProcessSpec = {
    protocol: protocolVersion,
    id,
    role: 'gate',
    file: '/bin/sh',
    args: ['-c', script],
    cwd: root,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    secretNames: [],
    limits: {},
    graces: { interruptMs: 200, terminateMs: 200, sweepMs: 5_000, ...graces },
    ...heldBy(
      { level: rest.sandbox ?? 'marker', ...(rest.sandbox === 'cgroup' && { cgroup: cgroupDirectory('self', 'unified') ?? '/' }) },
      id,
    ),
    ...rest,
  };
  const directory = join(root, name);
  await prepareDirectory(directory, spec, Buffer.from(stdin));
  return directory;
}

export async function start(script: string, wanted: Wanted = {}, secrets: Record<string, string> = {}): Promise<string> {
  const directory = await prepare(script, { secretNames: Object.keys(secrets), ...wanted });
  await startShim(directory, secrets);
  return directory;
}

/** Waits for the ending, and for the shim that wrote it to be gone. */
export async function ending(directory: string, limitMs = 10_000): Promise<ExitRecord> {
  const exit = await until(async () => {
    const seen = await look(directory);
    if (seen.kind === 'dead') throw new Error(`the shim of ${directory} died`);
    return seen.kind === 'exited' ? seen.exit : undefined;
  }, limitMs);
  await until(() => living(markerOf(stateId, directory.slice(root.length + 1))).length === 0);
  return exit;
}

/** The frame of a process without secrets: a length of 0 and the sum of nothing. */
const emptyFrame = Buffer.concat([Buffer.alloc(4), hash('sha256', '', 'buffer')]);

export interface ShimByHand {
  /** What it reads from its pipe. */
  readonly bytes?: Uint8Array;
  /** Whether the pipe is closed after that. */
  readonly closes?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  readonly program?: URL;
}

/** A shim whose pipe the test writes to itself. */
export function spawnShim(directory: string, how: ShimByHand = {}): ChildProcess {
  const { bytes = emptyFrame, closes = false, env = {}, nodeArgs = [], program = new URL('./shim/main.ts', import.meta.url) } = how;
  const shim = spawn(process.execPath, [...nodeArgs, fileURLToPath(program), directory], {
    env: { [markerName]: markerOf(stateId, basename(directory)), ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const pipe = shim.stdio[3];
  if (!pipe || !('write' in pipe)) throw new Error('no pipe');
  pipe.on('error', () => undefined);
  pipe.write(bytes, () => closes && pipe.destroy());
  return shim;
}

/** What the child has said so far; nothing before the shim has made the log. */
export function said(directory: string, log = 'stdout'): string {
  const path = join(directory, `${log}.log`);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** A process that starts a shim as a daemon would and then waits to be killed. */
export function daemon(directory: string, secretsExpression = '{}', env: Record<string, string> = {}): ChildProcess {
  const module = JSON.stringify(new URL('./host.ts', import.meta.url).href);
  const program = `import { startShim } from ${module}; await startShim(${JSON.stringify(directory)}, ${secretsExpression}); console.log('started'); setInterval(() => {}, 1000);`;
  const host = spawn(process.execPath, ['--input-type=module', '-e', program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  hosts.push(host);
  return host;
}

/** SINGLETREE_TEST_SEED repeats a run. */
export const seed: number = Number(process.env['SINGLETREE_TEST_SEED'] ?? Date.now() % 1_000_000);

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
