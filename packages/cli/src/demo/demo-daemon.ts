import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { connect, type Singletree } from '@singletree/sdk';
import { until } from '@singletree/testing';
import type { DemoFolder } from './demo-folder.ts';
import { DemoFailure } from './failure.ts';
import { model } from './scenario.ts';

/** The command itself, beside this folder: source where this is source, built where this is built. */
const program = join(import.meta.dirname, '..', `main${extname(import.meta.filename)}`);
const startLimitMs = 20_000;
const stopLimitMs = 10_000;
const keyVariable = 'DEMO_API_KEY';

export interface DemoSettings {
  /** Absolute path of the agent's program. */
  readonly claude: string;
  readonly modelUrl: string;
  readonly apiKey: string;
  readonly otlpUrl: string;
}

/** The daemon of the demo: `singletree up` in a process of its own, to be killed and started again on the same state. */
export class DemoDaemon {
  readonly client: Singletree;
  readonly #folder: DemoFolder;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal;
  #process: ChildProcess | undefined;

  constructor(folder: DemoFolder, settings: DemoSettings, env: NodeJS.ProcessEnv, signal: AbortSignal) {
    this.#folder = folder;
    this.#signal = signal;
    this.client = connect({ state: folder.state, env: {} });
    const { claude: executable, modelUrl, apiKey, otlpUrl } = settings;
    // The temporary folder is the agent's alone: the daemon's own may have to hold its socket, whose path must be short.
    const harness = { executable, model, base_url: modelUrl, api_key: { env: keyVariable }, env: { TMPDIR: folder.temporary } };
    const configuration = { version: 1, defaults: { harness: 'claude_code' }, harnesses: { claude_code: harness } };
    // JSON is YAML.
    writeFileSync(folder.config, `${JSON.stringify(configuration, undefined, 2)}\n`);
    this.#environment = {
      PATH: env['PATH'],
      SINGLETREE_USER_PATH: env['SINGLETREE_USER_PATH'],
      HOME: folder.home,
      LANG: 'C.UTF-8',
      [keyVariable]: apiKey,
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl,
    };
  }

  get pid(): number {
    return this.#running().pid ?? 0;
  }

  /** Starts the daemon and waits until it takes calls. In a session of its own: Ctrl-C is the demo's to answer. */
  async start(): Promise<void> {
    const log = openSync(this.#folder.daemonLog, 'a', 0o600);
    const child = spawn(process.execPath, [program, 'up', '--state', this.#folder.state, '--config', this.#folder.config], {
      cwd: this.#folder.path,
      env: this.#environment,
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#process = child;
    const answer = async (): Promise<'ready' | 'ended' | false> => {
      if (hasEnded(child) || this.#signal.aborted) return 'ended';
      return (await this.client.daemon.status({ signal: this.#signal })).pid === child.pid && 'ready';
    };
    const found = await until(answer, { what: 'the daemon to take calls', timeoutMs: startLimitMs, everyMs: 25 });
    this.#signal.throwIfAborted();
    if (found === 'ended') throw new DemoFailure(`the daemon ended at its start (${child.signalCode ?? `exit code ${child.exitCode}`})`);
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    const child = this.#running();
    child.kill('SIGKILL');
    await ended(child);
  }

  /** In good order. Throws if it does not end in time. */
  async stop(): Promise<void> {
    const child = this.#running();
    await this.client.daemon.stop({ signal: this.#signal });
    await until(() => hasEnded(child), { what: 'the daemon to stop', timeoutMs: stopLimitMs });
    if (child.exitCode !== 0) throw new DemoFailure(`the daemon stopped with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
  }

  #running(): ChildProcess {
    if (!this.#process) throw new Error('bug: the daemon of the demo was not started yet');
    return this.#process;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function ended(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, 'exit');
}
