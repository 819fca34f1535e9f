import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { processesWithMarker, repository, temporaryFolder, until, type FakeScript, type Repository } from '@singletree/testing';
import { compileCache } from './compile-cache.ts';
import { commandProgram } from './programs.ts';

export interface Typed {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Typing {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** What it has said until now. */
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<Typed>;
}

/** A person's machine: a HOME, a repository, a configuration with the fake agent, and no daemon until a command starts one. */
export class Machine implements AsyncDisposable {
  readonly path: string;
  readonly repo: Repository;
  readonly state: string;
  readonly config: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: AsyncDisposable;

  private constructor(folder: AsyncDisposable & { readonly path: string }, repo: Repository) {
    this.#folder = folder;
    this.path = folder.path;
    this.repo = repo;
    this.state = join(folder.path, 'state');
    this.config = join(folder.path, 'config.yaml');
    this.script = join(folder.path, 'script.json');
    this.env = {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      NODE_COMPILE_CACHE: compileCache,
      HOME: join(folder.path, 'home'),
      SINGLETREE_STATE: this.state,
      SINGLETREE_CONFIG: this.config,
    };
    mkdirSync(join(folder.path, 'home'));
    this.follow([{ write: { path: 'made.txt', content: 'by the agent\n' } }, { say: 'Done.' }]);
    this.configure({});
  }

  static async make(): Promise<Machine> {
    const folder = await temporaryFolder();
    const repo = await repository({ path: join(folder.path, 'repo'), files: { 'a.txt': 'before\n' } });
    return new Machine(folder, repo);
  }

  /** What the fake agent does; takes effect at its next start. */
  follow(script: FakeScript): void {
    writeFileSync(this.script, JSON.stringify(script));
  }

  /** Parts of the configuration beside the fake harness; a daemon reads them at its next start. */
  configure(parts: object): void {
    const fake = { plugin: '@singletree/testing/fake-harness', options: { script: this.script } };
    // JSON is YAML.
    writeFileSync(this.config, JSON.stringify({ version: 1, defaults: { harness: 'fake' }, harnesses: { fake }, ...parts }));
  }

  /** Types a command in the repository and waits until it has ended. */
  async type(argv: readonly string[], typing: Typing = {}): Promise<Typed> {
    return await this.start(argv, typing).ended;
  }

  start(argv: readonly string[], { stdin = '', env = {}, cwd = this.repo.path }: Typing = {}): Running {
    const child = spawn(process.execPath, [commandProgram, ...argv], {
      cwd,
      env: { ...this.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (said.stdout += String(data)));
    child.stderr.on('data', (data) => (said.stderr += String(data)));
    // A command may have said no before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    const ended = Promise.all([buffer(child.stdout), buffer(child.stderr), once(child, 'close')]).then(([stdout, stderr]) => ({
      code: child.exitCode,
      stdout: stdout.toString(),
      stderr: stderr.toString(),
    }));
    return { child, said, ended };
  }

  /** Of the daemon that left its address. */
  get daemonPid(): number {
    const content = JSON.parse(readFileSync(join(this.state, 'address.json'), 'utf8')) as { pid: number };
    return content.pid;
  }

  /** The daemons that live, whether they have left an address or not. */
  daemons(): number[] {
    return processesWithMarker(`SINGLETREE_STATE=${this.state}`)
      .filter(({ command }) => command.includes(`${commandProgram} up`))
      .map(({ pid }) => pid);
  }

  async killDaemon(): Promise<void> {
    const pid = this.daemonPid;
    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`), { what: `daemon ${pid} to be gone` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Agents and shims have the folder in their environment as HOME.
    await until(
      () => {
        const left = processesWithMarker(this.path);
        for (const { pid } of left) kill(pid);
        return left.length === 0;
      },
      { what: 'everything on the machine to be gone' },
    );
    await this.#folder[Symbol.asyncDispose]();
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}
