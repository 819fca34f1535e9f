import { extname } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ProcessIdentity } from '../protocol.ts';
import { spawnChild, type Command, type Ended, type Started, type Stdio } from './child.ts';
import { hasCode } from './error-code.ts';
import { isObject } from './files.ts';
import { Unheld, type Hold } from './hold.ts';
import type { Said } from './inside.ts';
import { marker, readTable, type ProcessStat } from './process-table.ts';
import { signalProcess } from './tree.ts';

/** What waits for the child inside: source where this is source, built where this is built. */
const insidePath = fileURLToPath(new URL(`./inside${extname(import.meta.url)}`, import.meta.url));
/** As for a shim: less memory, fewer threads. */
const nodeFlags = ['--max-semi-space-size=1', '--v8-pool-size=0'];
/** The same files, devices and network as outside: this is about processes. It ends with whoever started it. */
const bwrapArgs = ['--dev-bind', '/', '/', '--unshare-pid', '--proc', '/proc', '--die-with-parent', '--'];
/** On an idle machine it takes 30 ms. */
const readyLimitMs = 10_000;

/**
 * Starts a command in a PID namespace of its own. Outside there is bubblewrap's monitor; inside its process 1, which reaps; and, as its
 * child, a program of ours that waits for the command. When process 1 dies the kernel ends all of it.
 *
 * @throws Unheld where the namespace cannot be made; the system's error where the command cannot be started in it
 */
export async function startInNamespace(command: Command, [stdin, stdout, stderr]: Stdio): Promise<Started> {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', [marker]: mark = '' } = command.env;
  const args = [...bwrapArgs, process.execPath, ...nodeFlags, insidePath];
  const monitor = spawnChild({ file: 'bwrap', args, cwd: '/', env: { PATH, [marker]: mark } }, [stdin, stdout, 'pipe', 'pipe', stderr]);
  const failed = new Promise<Error>((resolve) => monitor.once('error', resolve));
  const pipe = monitor.stdio[3];
  if (monitor.pid === undefined || !(pipe instanceof Duplex)) throw new Unheld(describe(await failed, PATH));
  let complaints = '';
  monitor.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.length + complaints.length < 4_096 ? chunk.toString('utf8') : ''));
  const listen = listenTo(pipe);

  const late = new AbortController();
  const ready = await Promise.race([listen(), sleep(readyLimitMs, undefined, { signal: late.signal })]);
  late.abort();
  const helpers = ready && helpersOf(monitor.pid);
  if (helpers === undefined) {
    monitor.kill('SIGKILL');
    throw new Unheld(complaints.trim() || `bubblewrap did not come up within ${readyLimitMs} ms`);
  }
  const hold = namespaceHold(helpers);
  try {
    pipe.write(`${JSON.stringify(command)}\n`);
    const answer = await listen();
    if (answer?.said === 'refused') throw Object.assign(new Error(answer.error.message), answer.error);
    const child = answer && childOf(helpers.inside.pid, readTable());
    if (child === undefined) throw new Error('the namespace was ended while the command was being started');
    pipe.write('\n');
    const ended = listen().then((last): Ended => {
      if (last?.said === 'exit') return last;
      // Whoever waited for it was killed. Nobody else can, and it dies with the namespace.
      hold.kill();
      return { code: null, signal: 'SIGKILL' };
    });
    return { child, ended, hold };
  } catch (error) {
    hold.kill();
    throw error;
  }
}

function describe(error: Error, path: string): Error {
  return hasCode(error, 'ENOENT') ? new Error(`bubblewrap (bwrap) is not found on the PATH ${path}`) : error;
}

interface Helpers {
  readonly monitor: ProcessIdentity;
  /** Process 1 of the namespace. */
  readonly first: ProcessIdentity;
  readonly inside: ProcessIdentity;
}

function helpersOf(pid: number): Helpers | undefined {
  const table = readTable();
  const monitor = table.find((stat) => stat.pid === pid);
  const first = monitor && childOf(monitor.pid, table);
  const inside = first && childOf(first.pid, table);
  return inside && { monitor, first, inside };
}

/** The only child, where there can be only one. */
function childOf(parent: number, table: readonly ProcessStat[]): ProcessIdentity | undefined {
  const found = table.find((stat) => stat.parent === parent);
  return found && { pid: found.pid, startTime: found.startTime };
}

function namespaceHold({ monitor, first, inside }: Helpers): Hold {
  return {
    helpers: [monitor, first, inside],
    *members(table) {
      const stats = [...table];
      if (!stats.some((stat) => stat.pid === first.pid && stat.startTime === first.startTime)) return;
      // Whoever loses its parent inside becomes a child of process 1.
      for (const stat of stats) if ((stat.parent === first.pid || stat.parent === inside.pid) && stat.pid !== inside.pid) yield stat.pid;
    },
    kill: () => void signalProcess(first, 'SIGKILL'),
    // There is nothing but its processes.
    remove: () => true,
  };
}

/** What the program inside says next; undefined once it can say no more, however that came about. */
function listenTo(pipe: Duplex): () => Promise<Said | undefined> {
  const lines: string[] = [];
  let rest = '';
  let over = false;
  let wake = (): void => undefined;
  const end = (): void => {
    over = true;
    wake();
  };
  pipe.setEncoding('utf8');
  pipe.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
    wake();
  });
  // One that is killed before it has read all breaks the pipe; that says no more than its end.
  for (const event of ['error', 'end', 'close']) pipe.on(event, end);
  return async () => {
    while (lines.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
    const line = lines.shift();
    return line === undefined ? undefined : parseSaid(line);
  };
}

function parseSaid(line: string): Said | undefined {
  const value: unknown = JSON.parse(line);
  return isSaid(value) ? value : undefined;
}

/** Our own program's words. */
function isSaid(value: unknown): value is Said {
  return isObject(value) && typeof value['said'] === 'string';
}
