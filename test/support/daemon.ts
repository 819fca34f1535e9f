import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type CreateTask, type Singletree, type Task } from '@singletree/sdk';
import { processesWithMarker, until, type FakeScript, type MarkedProcess } from '@singletree/testing';
import { compileCache } from './compile-cache.ts';
import { commandFolder, daemonProgram } from './programs.ts';

/**
 * The same on every machine, and the one that has most to do by itself. In a PID namespace the pids that agents and their children write down
 * mean nothing outside. What the levels are good for is tested by itself.
 */
const containment = process.env['SINGLETREE_TEST_CONTAINMENT'] ?? 'marker';

export interface DaemonFixture {
  /** Everything of the test: state folder, HOME of the agents, configuration, scripts. */
  readonly folder: string;
  /** Parts of the configuration beside the fake harness. */
  readonly configuration?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A real daemon in a process of its own, to be killed and started again on the same state. */
export class TestDaemon implements AsyncDisposable {
  readonly state: string;
  readonly home: string;
  readonly config: string;
  readonly script: string;
  readonly #fixture: DaemonFixture;
  #process: ChildProcess | undefined;

  constructor(fixture: DaemonFixture) {
    this.#fixture = fixture;
    this.state = join(fixture.folder, 'state');
    this.home = join(fixture.folder, 'home');
    this.config = join(fixture.folder, 'config.yaml');
    this.script = join(fixture.folder, 'script.json');
    mkdirSync(this.home, { recursive: true });
    writeFileSync(this.script, '[]');
    this.configure(fixture.configuration);
  }

  /** Parts of the configuration beside the fake harness; they take effect at the next start. */
  configure(configuration: DaemonFixture['configuration']): void {
    const fake = { plugin: '@singletree/testing/fake-harness', options: { script: this.script } };
    const { harnesses, supervision, ...rest } = { harnesses: {}, supervision: {}, ...configuration };
    const own = { harnesses: { fake, ...harnesses }, supervision: { containment, ...supervision } };
    // JSON is YAML.
    writeFileSync(this.config, JSON.stringify({ version: 1, defaults: { harness: 'fake' }, ...rest, ...own }));
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('the daemon is not running');
    return pid;
  }

  get hasEnded(): boolean {
    return this.#process !== undefined && (this.#process.exitCode !== null || this.#process.signalCode !== null);
  }

  /** Whether the daemon that was started last takes calls. */
  get isReady(): boolean {
    return this.#process?.pid !== undefined && readAddress(join(this.state, 'address.json')) === this.#process.pid;
  }

  get log(): string {
    return readFileSync(join(this.#fixture.folder, 'daemon.log'), 'utf8');
  }

  /** What the fake agent does; takes effect at its next start. */
  follow(script: FakeScript): void {
    writeFileSync(this.script, JSON.stringify(script));
  }

  /**
   * Starts the daemon and waits until it takes calls. For this start only: `environment`, failpoints for the most part, and `under`, a command
   * that becomes the daemon it is given.
   */
  async start(environment: Readonly<Record<string, string>> = {}, under: readonly string[] = []): Promise<Singletree> {
    this.launch(environment, under);
    await until(() => this.hasEnded || this.isReady, { what: 'the daemon to leave its address', timeoutMs: 40_000 });
    if (this.hasEnded) throw new Error(`the daemon ended at its start:\n${this.log.slice(-4_000)}`);
    return this.client();
  }

  /** Starts the daemon without waiting: for starts that are meant to fail or to be killed. */
  launch(environment: Readonly<Record<string, string>> = {}, under: readonly string[] = []): ChildProcess {
    const log = openSync(join(this.#fixture.folder, 'daemon.log'), 'a');
    const program = [process.execPath, daemonProgram, this.state, this.config, commandFolder];
    const [file = '', ...args] = [...under, ...program];
    const child = spawn(file, args, {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.home,
        NODE_COMPILE_CACHE: compileCache,
        ...this.#fixture.environment,
        ...environment,
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#process = child;
    return child;
  }

  client(): Singletree {
    return connect({ state: this.state, env: {} });
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    await end(this.#process, 'SIGKILL');
  }

  /** SIGTERM: the agents live on. */
  async stop(): Promise<void> {
    await end(this.#process, 'SIGTERM');
  }

  /** Waits until the daemon has ended by itself, at a failpoint. */
  async ended(): Promise<void> {
    const child = this.#process;
    if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** Ends what a test that failed has left: what the daemon had started would live on without it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await until(() => this.#leftovers().filter(({ pid }) => killed(pid)).length === 0, { what: 'the last process of the test' });
  }

  /** Its shims, by the state folder in their arguments, and then all that these ran, by their HOME. */
  #leftovers(): readonly MarkedProcess[] {
    const shims = processesWithMarker('SINGLETREE_PROCESS=').filter(({ command }) => command.includes(`${this.state}/`));
    return shims.length > 0 ? shims : processesWithMarker(`HOME=${this.home}`);
  }
}

/** Whether there was somebody to kill. */
export function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child?.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

function readAddress(file: string): number | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof content === 'object' && content !== null && 'pid' in content && typeof content.pid === 'number' ? content.pid : undefined;
  } catch {
    return undefined;
  }
}

/** Waits for the final state of a task, across restarts of the daemon. */
export async function finished(client: Singletree, taskId: string, timeoutMs = 30_000): Promise<Task> {
  let last: Task | undefined;
  await until(
    async () => {
      last = await client.tasks.get(taskId).catch(() => undefined);
      return last?.completion !== undefined;
    },
    // A call costs both sides more than a millisecond.
    { what: `task ${taskId} to end`, timeoutMs, everyMs: 50 },
  );
  if (!last) throw new Error(`task ${taskId} was never read`);
  return last;
}

/** The least that a task needs. */
export function aTask(workspace: string, more: Partial<CreateTask> = {}): CreateTask {
  return { title: 'A task', instructions: 'Do it.', workspace: { path: workspace }, ...more };
}
