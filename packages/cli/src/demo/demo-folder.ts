import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { statePaths } from '@singletree/core/local';
import { processesWithMarker, type MarkedProcess } from '@singletree/testing';

/** Longest time for killed processes to be gone. */
const sweepLimitMs = 5_000;

export interface Project {
  /** Where the demo may write: the checkout, or the user's cache where this is an installed package. */
  readonly folder: string;
  /** What a person types to start this command there. */
  readonly program: string;
}

export function findProject(env: NodeJS.ProcessEnv): Project {
  const checkout = resolve(import.meta.dirname, '../../../..');
  if (existsSync(join(checkout, 'pnpm-workspace.yaml'))) return { folder: checkout, program: './singletree' };
  return { folder: join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'singletree'), program: 'singletree' };
}

/** Everything that one demo writes, and every process that it starts: both are found again by this folder's path. */
export class DemoFolder {
  readonly path: string;
  /** HOME of the daemon and of all that it starts. */
  readonly home: string;
  readonly temporary: string;
  readonly state: string;
  readonly processes: string;
  readonly repository: string;
  readonly config: string;
  readonly daemonLog: string;
  /** Where the daemon listens: not in here where this path is too long for a socket. */
  socket: string | undefined;

  private constructor(path: string) {
    this.path = path;
    this.home = join(path, 'home');
    this.temporary = join(path, 'tmp');
    this.state = join(path, 'state');
    const { processes, log } = statePaths(this.state);
    this.processes = processes;
    this.daemonLog = log;
    this.repository = join(path, 'shop');
    this.config = join(path, 'config.yaml');
  }

  /** Makes a folder for this process below `.demo`, and clears away what demos left that failed or were killed. */
  static async make(project: string): Promise<DemoFolder> {
    const root = join(project, '.demo');
    mkdirSync(root, { recursive: true });
    for (const name of readdirSync(root)) {
      if (!/^\d+$/.test(name) || (Number(name) !== process.pid && isRunning(Number(name)))) continue;
      const left = new DemoFolder(join(root, name));
      await left.sweep();
      left.remove();
    }
    const folder = new DemoFolder(join(root, String(process.pid)));
    for (const path of [folder.home, folder.temporary, folder.state]) mkdirSync(path, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** The living processes of this demo: what has its HOME in here, and what carries the daemon's marker whatever its HOME. */
  livingProcesses(): readonly MarkedProcess[] {
    // A process's environment is compared as bytes, one character each.
    const home = Buffer.from(`HOME=${this.path}/`, 'utf8').toString('latin1');
    const marker = this.#marker();
    const found = [...processesWithMarker(home), ...(marker === undefined ? [] : processesWithMarker(marker))];
    return [...new Map(found.map((each) => [each.pid, each])).values()];
  }

  /** Kills what lives, until two looks in a row find nobody. Gives what could not be killed. */
  async sweep(): Promise<readonly MarkedProcess[]> {
    const deadline = performance.now() + sweepLimitMs;
    for (let empty = 0; ; await sleep(30)) {
      const living = this.livingProcesses();
      empty = living.length === 0 ? empty + 1 : 0;
      if (empty === 2 || performance.now() > deadline) return living;
      for (const { pid } of living) kill(pid);
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    removeIfEmpty(dirname(this.path));
    if (this.socket === undefined) return;
    rmSync(this.socket, { force: true });
    removeIfEmpty(dirname(this.socket));
  }

  /** `SINGLETREE_PROCESS=` and the id of the state folder, with which every marker of its daemons begins. Absent before the first process. */
  #marker(): string | undefined {
    for (const entry of existsSync(this.processes) ? readdirSync(this.processes, { recursive: true, encoding: 'utf8' }) : []) {
      if (!entry.endsWith('/spec.json')) continue;
      const id = /"id":"([^/"]+)\//.exec(readFileSync(join(this.processes, entry), 'utf8'))?.[1];
      if (id !== undefined) return `SINGLETREE_PROCESS=${id}/`;
    }
    return undefined;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is in use by others, or gone with what it was in.
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process is running all the same.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}
