import { writeFileSync } from 'node:fs';
import { connect, type Singletree } from '@singletree/sdk';
import { until } from '@singletree/testing';
import { startDetached } from '../daemon/start.ts';
import type { DemoFolder } from './demo-folder.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { model } from './scenario.ts';

const endLimitMs = 10_000;
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
  #process: ProcessIdentity | undefined;

  constructor(folder: DemoFolder, { claude, modelUrl, apiKey, otlpUrl }: DemoSettings, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.client = connect({ state: folder.state, env: {} });
    // The temporary folder is the agent's alone: the daemon's own may have to hold its socket, whose path must be short.
    const agent = { executable: claude, model, base_url: modelUrl, api_key: { env: keyVariable }, env: { TMPDIR: folder.temporary } };
    const configuration = { version: 1, defaults: { harness: 'claude_code' }, harnesses: { claude_code: agent } };
    // JSON is YAML.
    writeFileSync(folder.config, `${JSON.stringify(configuration, undefined, 2)}\n`);
    this.#environment = {
      PATH: env['PATH'],
      SINGLETREE_USER_PATH: env['SINGLETREE_USER_PATH'],
      HOME: folder.home,
      LANG: 'C.UTF-8',
      [keyVariable]: apiKey,
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl,
      // What is shown is a trace.
      OTEL_METRICS_EXPORTER: 'none',
    };
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Starts the daemon and waits until it takes calls. It is in a session of its own: Ctrl-C is the demo's to answer. */
  async start(): Promise<void> {
    const { address } = await startDetached({ state: this.#folder.state, config: this.#folder.config, env: this.#environment });
    this.#folder.socket = address.replace(/^unix:/, '');
    const { pid } = await this.client.daemon.status();
    this.#process = identify(pid);
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<void> {
    process.kill(this.#running().pid, 'SIGKILL');
    await this.#ended();
  }

  /** In good order. */
  async stop(): Promise<void> {
    await this.client.daemon.stop();
    await this.#ended();
  }

  async #ended(): Promise<void> {
    const running = this.#running();
    await until(() => !isAlive(running), { what: `daemon ${running.pid} to end`, timeoutMs: endLimitMs });
  }

  #running(): ProcessIdentity {
    if (!this.#process) throw new Error('the daemon of the demo does not run');
    return this.#process;
  }
}
