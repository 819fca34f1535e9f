/**
 * Supervises one process and survives the daemon. Started as `node shim.ts DIRECTORY`, detached, with one frame of secrets on descriptor 3;
 * from then on it talks through the files of that directory only (protocol.ts). One file that imports nothing of ours at run time: what
 * a long-lived process needs must be loaded before an upgrade replaces the files around it.
 *
 * The daemon imports the reading of the process table and the sweep from here.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { hash, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FailpointName } from '../failpoints.ts';
import type { ExitRecord, Hardness, Owner, ProcessFile, ProcessIdentity, ProcessSpec, RunRecord, StopRequest } from './protocol.ts';
import type { markerName, protocolVersion } from './protocol.ts';

const protocol: typeof protocolVersion = 1;
const marker: typeof markerName = 'SINGLETREE_PROCESS';

/** A daemon that dies while it hands over the secrets closes the pipe; one that hangs is given up after this. */
const frameLimitMs = 5_000;
const frameLimitBytes = 16 * 1024 * 1024;
const tickMs = 100;
const stopPollMs = 250;
const clockMs = 1_000;
/** Where a shim died together with its child, what that ran is known up to this. */
const signOfLifeMs = 5_000;
/** Between two looks at the process table: long enough for a fork or exec that the first look fell into to be over. */
const scanGapMs = 30;
/** The process table costs 10 to 20 µs a process: often enough for a short gate, seldom enough beside fifty agents. */
const firstSampleMs = 250;
const longestSampleMs = 8_000;

export interface ProcessStat extends ProcessIdentity {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** What /proc says of a pid; absent once it is gone. A lack of descriptors is an error and never read as "gone". */
export function readStat(pid: number): ProcessStat | undefined {
  const fields = readFields(pid);
  if (fields === undefined) return undefined;
  const [state = 'X', parent, group, session] = fields;
  return { pid, state, parent: Number(parent), group: Number(group), session: Number(session), startTime: Number(fields[19]) };
}

/** /proc/PID/stat from its third field, the state, on. The name before it may hold any character, so what counts is the last parenthesis. */
function readFields(pid: number | 'self'): string[] | undefined {
  const text = readProc(pid, 'stat');
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A zombie runs no more; whether its parent ever reaps it is not our affair. */
export function isLiving(stat: ProcessStat): boolean {
  return stat.state !== 'Z' && stat.state !== 'X';
}

/** The process of this very identity, if it lives. */
export function findLiving(identity: ProcessIdentity): ProcessStat | undefined {
  const stat = readStat(identity.pid);
  return stat?.startTime === identity.startTime && isLiving(stat) ? stat : undefined;
}

/** The marker in a process's environment. A child between fork and exec still shows its parent's. */
export function readMarker(pid: number): string | undefined {
  const prefix = `${marker}=`;
  return readProc(pid, 'environ')
    ?.split('\0')
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/** A process without a marker is nobody's, whatever is looked for. */
function carries(pid: number, id: string): boolean {
  const found = readMarker(pid);
  return found !== undefined && found === id;
}

export function readTable(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== undefined);
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

function readProc(pid: number | 'self', name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch (error) {
    // Processes of other users may be hidden; they are not ours.
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

export interface ProcessTree {
  /** The marker's value. */
  readonly id: string;
  /** Start times by pid of the members found last: a child that cleared its environment and lost its parent is known by this alone. */
  known: Map<number, number>;
  /** The leader of the session that belongs to the tree as a whole. */
  readonly leader?: ProcessIdentity;
}

/** The living members: what carries the marker, is known, or is in the leader's session or group, and all that descends from these. */
export function findMembers(tree: ProcessTree, byMarker = true): ProcessStat[] {
  const table = new Map(readTable().map((stat) => [stat.pid, stat]));
  // Whoever looks is never a member: not the shim, which carries the marker, nor a daemon that was started from inside an agent.
  table.delete(process.pid);
  const { leader } = tree;
  // Its number cannot be given away while the session lasts, so a stranger who has it means that the session is over.
  const holder = leader && table.get(leader.pid);
  const session = holder === undefined || holder.startTime === leader?.startTime ? leader?.pid : undefined;
  const members = new Set<number>();
  for (const { pid, startTime, session: sid, group } of table.values()) {
    if (tree.known.get(pid) === startTime || sid === session || group === session || (byMarker && carries(pid, tree.id))) members.add(pid);
  }
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const { pid, parent } of table.values()) if (members.has(parent)) members.add(pid);
  }
  const living = [...table.values()].filter((stat) => members.has(stat.pid) && isLiving(stat));
  tree.known = new Map(living.map((stat) => [stat.pid, stat.startTime]));
  return living;
}

/** Signals a process if it still is the one that was found. False: it is gone, or not ours to signal. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return findLiving(identity) !== undefined && kill(identity.pid, signal);
}

function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EPERM')) return false;
    throw error;
  }
}

/** Kills the tree until two looks in a row find nobody: a child can fork between the reading of the table and the killing of what was read. */
export async function sweep(tree: ProcessTree, limitMs: number): Promise<{ swept: number[]; survivors: number[] }> {
  const deadline = monotonicMs() + limitMs;
  const swept = new Set<number>();
  let left: ProcessStat[] = [];
  for (let empty = 0; empty < 2; await sleep(scanGapMs)) {
    left = findMembers(tree);
    empty = left.length === 0 ? empty + 1 : 0;
    if (empty === 2 || monotonicMs() >= deadline) break;
    for (const member of left) if (signalProcess(member, 'SIGKILL')) swept.add(member.pid);
  }
  const survivors = left.map((stat) => stat.pid);
  return { swept: [...swept].filter((pid) => !survivors.includes(pid)), survivors };
}

/**
 * Puts a whole file in place or none: written aside, synced, then `replace` renames it over what is there, `claim` links it where nothing
 * may be yet. False: somebody else's file was there first. `around` is told just before and after that moment.
 */
export async function placeFile(
  path: string,
  content: string | Uint8Array,
  how: 'replace' | 'claim',
  around?: (moment: 'before' | 'after') => void | Promise<void>,
): Promise<boolean> {
  // Never a name that could be used twice: a linked file shares its content with the temporary name it came from.
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await around?.('before');
    await (how === 'replace' ? rename(temporary, path) : link(temporary, path));
    await around?.('after');
  } catch (error) {
    if (how === 'claim' && hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** The stop requests in the order in which they were made. */
export function readStops(directory: string): StopRequest[] {
  return readdirSync(join(directory, 'stop'))
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => parseFile(join(directory, 'stop', name)))
    .filter(isStopRequest);
}

/** One that a newer daemon makes and that this shim does not understand is left alone, not obeyed by half. */
function isStopRequest(value: unknown): value is StopRequest {
  return isObject(value) && order.some((hardness) => hardness === value['hardness']) && typeof value['kind'] === 'string';
}

function parseFile(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const order = ['interrupt', 'terminate', 'kill'] as const satisfies readonly Hardness[];
const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const killStage = 2;

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly at: number;
  readonly monotonic: number;
}

/** A running child: what it may use, what it has used, and how it is brought to its end. */
class Supervised {
  readonly ended: Promise<End>;
  readonly tree: ProcessTree;
  stop: StopRequest | undefined;
  peakMemoryBytes: number | undefined;

  readonly #child: ProcessIdentity;
  readonly #started = monotonicMs();
  readonly #directory: string;
  readonly #spec: ProcessSpec;
  readonly #logs: Logs;
  readonly #end: (code: number | null, signal: string | null) => void;
  /** Index into `signals` of the hardest one sent, and when. */
  #stage = -1;
  #stageAt = 0;
  #sample = { at: this.#started + firstSampleMs, interval: firstSampleMs };

  constructor(child: ChildProcess, identity: ProcessIdentity, directory: string, spec: ProcessSpec, logs: Logs) {
    this.#child = identity;
    this.#directory = directory;
    this.#spec = spec;
    this.#logs = logs;
    this.tree = { id: spec.id, known: new Map(), leader: identity };
    const { promise, resolve } = Promise.withResolvers<End>();
    this.ended = promise;
    this.#end = (code, signal) => resolve({ code, signal, at: Date.now(), monotonic: monotonicMs() });
    // Not 'close': that waits for every descendant that still holds a descriptor.
    child.once('exit', (code, signal) => this.#end(code, signal));
  }

  /** The limits that need nobody else, and the next step of a stop. */
  enforce(): void {
    const now = monotonicMs();
    const { timeoutMs, outputBytes } = this.#spec.limits;
    const { stdout, stderr } = this.#logs.lengths();
    if (outputBytes !== undefined && Math.max(stdout, stderr) > outputBytes && this.#stage < killStage) {
      // Frozen first, so that the flood ends while the tree still shows who descends from whom; and killed without a grace: to take
      // SIGINT it would have to be continued, and would go on filling the disk.
      this.#signalGroup('SIGSTOP');
      this.request({ kind: 'output_limit', hardness: 'kill', by: 'shim', at: Date.now() });
    }
    if (timeoutMs !== undefined && now - this.#started >= timeoutMs) {
      this.request({ kind: 'timeout', hardness: 'interrupt', by: 'shim', at: Date.now() });
    }
    this.#escalate(now);
  }

  /** What the daemon wants: its stop requests, and its vouching where a limit depends on that. */
  obey(): void {
    for (const stop of readStops(this.#directory)) this.request(stop);
    const { unsupervisedMs } = this.#spec.limits;
    if (unsupervisedMs === undefined) return;
    const path = join(this.#directory, 'vouch' satisfies ProcessFile);
    const until = existsSync(path) ? Number(readFileSync(path, 'latin1')) / 1e6 : this.#started + unsupervisedMs;
    if (monotonicMs() > until) this.request({ kind: 'unsupervised', hardness: 'interrupt', by: 'shim', at: Date.now() });
  }

  /** The memory of the tree now; on the way it is remembered who belongs to it. */
  measure(): void {
    const now = monotonicMs();
    if (now < this.#sample.at) return;
    const interval = Math.min(this.#sample.interval * 2, longestSampleMs);
    this.#sample = { at: now + interval, interval };
    const bytes = findMembers(this.tree, false).reduce((sum, { pid }) => sum + residentBytes(pid), 0);
    if (bytes > 0) this.peakMemoryBytes = Math.max(this.peakMemoryBytes ?? 0, bytes);
  }

  /** The first request is the cause, a later one only makes the stop harder. One that finds the child ended by itself is no cause. */
  request(stop: StopRequest): void {
    const stage = order.indexOf(stop.hardness);
    if (stage <= this.#stage || (this.stop === undefined && findLiving(this.#child) === undefined)) return;
    this.stop ??= stop;
    this.#advance(stage);
  }

  #escalate(now: number): void {
    const { interruptMs, terminateMs, sweepMs } = this.#spec.graces;
    const grace = [interruptMs, terminateMs, sweepMs][this.#stage];
    if (grace === undefined || now - this.#stageAt < grace) return;
    if (this.#stage < killStage) this.#advance(this.#stage + 1);
    // Killed, and still no exit: it hangs in the kernel. The ending names it as a survivor.
    else this.#end(null, null);
  }

  #advance(stage: number): void {
    this.#stage = stage;
    this.#stageAt = monotonicMs();
    const signal = signals[stage] ?? 'SIGKILL';
    // Looked for before the signal, while parents still show who descends from whom.
    const members = findMembers(this.tree);
    this.#signalGroup(signal);
    if (stage === killStage) for (const member of members) signalProcess(member, signal);
    else this.#signalGroup('SIGCONT');
  }

  /** While the child is not reaped, its number names its own group and no other. */
  #signalGroup(signal: NodeJS.Signals): void {
    if (findLiving(this.#child) !== undefined) kill(-this.#child.pid, signal);
  }
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(readProc(pid, 'status') ?? '')?.[1];
  return Number(kibibytes ?? 0) * 1024;
}

/** CPU time of everything that this shim has waited for, user and system, in the kernel's ticks of 10 ms. */
function childrenCpuMs(): number {
  const fields = readFields('self');
  return (Number(fields?.[13]) + Number(fields?.[14])) * 10;
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The child's two outputs, and the record of how long they were when. */
class Logs {
  readonly stdout: number;
  readonly stderr: number;
  readonly #clock: number;
  #told = { at: -Infinity, total: -1 };

  constructor(directory: string) {
    const open = (name: ProcessFile): number => openSync(join(directory, name), 'a', 0o600);
    this.stdout = open('stdout.log');
    this.stderr = open('stderr.log');
    this.#clock = open('clock.log');
  }

  lengths(): { stdout: number; stderr: number } {
    return { stdout: fstatSync(this.stdout).size, stderr: fstatSync(this.stderr).size };
  }

  /** Adds a line: where the outputs grew, at most one a second but for the last; where they do not, as a sign of life. */
  tell(last = false): void {
    const { stdout, stderr } = this.lengths();
    const now = monotonicMs();
    const pauseMs = stdout + stderr === this.#told.total ? signOfLifeMs : clockMs;
    if (!last && now - this.#told.at < pauseMs) return;
    this.#told = { at: now, total: stdout + stderr };
    writeSync(this.#clock, `${Date.now()} ${Math.round(now)} ${stdout} ${stderr}\n`);
  }

  sync(): void {
    for (const file of [this.stdout, this.stderr, this.#clock]) fsyncSync(file);
  }
}

/** Reads the frame: four bytes of length, a body of JSON name → value, the body's SHA-256. The pipe stays open until the directory has its owner. */
async function readFrame(pipe: Socket): Promise<Record<string, string>> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let received = Buffer.alloc(0);
  pipe.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4) return;
    const length = received.readUInt32BE(0);
    if (length > frameLimitBytes) reject(new Error(`the frame says ${length} bytes; at most ${frameLimitBytes} are taken`));
    if (received.length >= length + 36) resolve(received);
  });
  pipe.on('error', reject);
  pipe.on('end', () => reject(new Error('the daemon closed the pipe before the frame was whole')));
  const timer = setTimeout(() => reject(new Error(`no whole frame within ${frameLimitMs} ms`)), frameLimitMs);
  const frame = await promise;
  clearTimeout(timer);
  const length = frame.readUInt32BE(0);
  const body = frame.subarray(4, 4 + length);
  const sum = frame.subarray(4 + length, 36 + length);
  if (!hash('sha256', body, 'buffer').equals(sum)) throw new Error('the frame is damaged');
  const secrets: unknown = length === 0 ? {} : JSON.parse(body.toString('utf8'));
  if (!isStrings(secrets)) throw new Error('the frame holds something else than texts by name');
  return secrets;
}

function isStrings(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}

function readSpec(directory: string): ProcessSpec {
  const path = join(directory, 'spec.json' satisfies ProcessFile);
  const spec = parseFile(path);
  if (!isSpec(spec)) throw new Error(`${path} is not written for protocol ${protocol}, which this shim speaks`);
  return spec;
}

/** The protocol's version stands for its whole shape: the file was written and synced by our own daemon. */
function isSpec(value: unknown): value is ProcessSpec {
  return isObject(value) && value['protocol'] === protocol;
}

function launch(spec: ProcessSpec, secrets: Record<string, string>, directory: string, logs: Logs): ChildProcess {
  if (!statSync(spec.cwd).isDirectory())
    throw Object.assign(new Error(`${spec.cwd} is not a directory`), { code: 'ENOTDIR', path: spec.cwd });
  const stdin = openSync(join(directory, 'stdin' satisfies ProcessFile), 'r');
  try {
    return spawn(spec.file, spec.args, {
      cwd: spec.cwd,
      env: { ...spec.env, ...secrets, [marker]: spec.id },
      stdio: [stdin, logs.stdout, logs.stderr],
      detached: true,
    });
  } finally {
    closeSync(stdin);
  }
}

/** Rejects with the reason why there is no child. Its exit cannot come in between: nothing is awaited where there is one. */
async function identify(child: ChildProcess): Promise<ProcessIdentity> {
  const { pid } = child;
  if (pid === undefined) throw await new Promise<Error>((resolve) => child.once('error', resolve));
  const stat = readStat(pid);
  if (stat === undefined) throw new Error(`/proc does not show the child ${pid}: is it mounted?`);
  return { pid, startTime: stat.startTime };
}

/** Runs the child from its start to the end of its tree. Whatever happens after the start, the child is not left without a shim. */
async function run(directory: string, spec: ProcessSpec, secrets: Record<string, string>, boot: string): Promise<ExitRecord> {
  const logs = new Logs(directory);
  const startedAt = Date.now();
  const unborn = {
    protocol,
    code: null,
    signal: null,
    lengths: logs.lengths(),
    startedAt,
    endedAt: startedAt,
    durationMs: 0,
    swept: [],
    survivors: [],
  } as const;
  const [stop] = readStops(directory);
  if (stop !== undefined) return { ...unborn, stop };

  guard(shareMemoryPressure);
  failpoint('shim.spawn.before');
  const started = monotonicMs();
  let child: ChildProcess | undefined;
  let identity: ProcessIdentity;
  try {
    child = launch(spec, secrets, directory, logs);
    identity = await identify(child);
  } catch (error) {
    child?.kill('SIGKILL');
    return { ...unborn, endedAt: Date.now(), spawnError: describeSpawnError(error) };
  }
  const supervised = new Supervised(child, identity, directory, spec, logs);
  failpoint('shim.spawn.after');

  guard(() => logs.tell());
  const steps = [() => supervised.enforce(), () => logs.tell(), () => supervised.measure()];
  const timers = [setInterval(() => steps.forEach(guard), tickMs), setInterval(() => guard(() => supervised.obey()), stopPollMs)];
  const record: RunRecord = { ...identity, bootId: boot, sandbox: spec.sandbox, startedAt };
  // Nothing depends on it but the speed of a sweep, which finds a child that is recorded nowhere by its marker.
  await placeFile(join(directory, 'run.json' satisfies ProcessFile), JSON.stringify(record), 'replace', around('shim.run')).catch(say);

  const end = await supervised.ended;
  timers.forEach(clearInterval);
  const cpuMs = await insist(directory, childrenCpuMs);
  const { swept, survivors } = await insist(directory, () => sweep(supervised.tree, spec.graces.sweepMs));
  await insist(directory, () => {
    logs.tell(true);
    logs.sync();
  });
  const { stop: cause, peakMemoryBytes } = supervised;
  return {
    protocol,
    code: end.code,
    signal: end.signal,
    ...(cause && { stop: cause }),
    lengths: logs.lengths(),
    startedAt,
    endedAt: end.at,
    durationMs: Math.round(end.monotonic - started),
    cpuMs,
    ...(peakMemoryBytes !== undefined && { peakMemoryBytes }),
    swept,
    survivors,
  };
}

function describeSpawnError(error: unknown): NonNullable<ExitRecord['spawnError']> {
  if (!(error instanceof Error)) return { code: 'UNKNOWN', message: String(error) };
  const code = 'code' in error ? String(error.code) : 'UNKNOWN';
  return { code, message: error.message, ...('path' in error && typeof error.path === 'string' && { path: error.path }) };
}

/** A service file may shield the daemon from the kernel's memory killer; what it runs must not inherit that. */
function shareMemoryPressure(): void {
  const path = '/proc/self/oom_score_adj';
  if (Number(readFileSync(path, 'latin1')) < 0) writeFileSync(path, '0');
}

async function supervise(directory: string): Promise<void> {
  // A terminal that closes or a machine that shuts down is no wish to stop this task: what ends a shim is its child's end.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  const pipe = new Socket({ fd: 3 });
  const secrets = await readFrame(pipe);
  const spec = readSpec(directory);
  const self = readStat(process.pid);
  if (self === undefined) throw new Error('/proc shows no process of our own: is it mounted?');
  const owner: Owner = { who: 'shim', pid: self.pid, startTime: self.startTime, bootId: bootId() };
  const file = (name: ProcessFile): string => join(directory, name);
  if (!(await placeFile(file('owner'), JSON.stringify(owner), 'claim', around('shim.owner')))) return;
  pipe.destroy();
  const exit = await run(directory, spec, secrets, owner.bootId);
  await insist(directory, () => placeFile(file('exit.json'), JSON.stringify(exit), 'replace', around('shim.exit')));
}

/** Again each second until it is done: a full disk or a lack of descriptors passes, and nobody else can tell this ending. */
async function insist<T>(directory: string, act: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!existsSync(directory)) throw error;
      say(error);
      await sleep(1_000);
    }
  }
}

/** One look that fails, for want of a descriptor perhaps, must not leave the child alone: the next one comes in a moment. */
function guard(act: () => void): void {
  try {
    act();
  } catch (error) {
    say(error);
  }
}

let lastSaid = '';
/** To shim.log. Once, where the same is said again and again. */
function say(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (text === lastSaid) return;
  lastSaid = text;
  try {
    writeSync(process.stderr.fd, `${new Date().toISOString()} ${text}\n`);
  } catch {
    // The disk is full: there is nowhere to say it, and the child must not be left alone for that.
  }
}

const failpoints = process.env['SINGLETREE_FAILPOINTS'];

/** The same grammar as in failpoints.ts, for what a shim can do at a place that it reaches once: be killed or held. */
function failpoint(name: FailpointName): void {
  const [, action, hold] = new RegExp(`(?:^|,)${name}=(kill|hold)(?::([^,]+))?`).exec(failpoints ?? '') ?? [];
  if (action === undefined) return;
  const directory = hold ?? process.env['SINGLETREE_FAILPOINT_DIR'];
  if (directory !== undefined) writeFileSync(join(directory, `${name}.hit`), `${process.pid}\n`);
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  while (hold !== undefined && !existsSync(join(hold, `${name}.go`))) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

function around(place: 'shim.owner' | 'shim.run' | 'shim.exit'): (moment: 'before' | 'after') => void {
  return (moment) => failpoint(`${place}.${moment}`);
}

if (import.meta.main) {
  supervise(process.argv[2] ?? '').then(
    () => process.exit(0),
    (error: unknown) => {
      say(error);
      process.exit(1);
    },
  );
}
