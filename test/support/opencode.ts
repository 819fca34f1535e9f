import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask } from '@singletree/sdk';
import {
  processesWithMarker,
  repository,
  startModelServer,
  temporaryFolder,
  until,
  type ModelServer,
  type Repository,
  type Step,
} from '@singletree/testing';
import { TestDaemon } from './daemon.ts';
import { fetchCli, programOf, type PinnedCli } from './fetch-cli.ts';

/** The newest version that the plugin was recorded with. */
export const openCodeVersion = '1.18.33';

/** The program alone: the package `opencode-ai` would bring it for twelve platforms, and choose by an install script. */
const cli: PinnedCli = {
  name: 'opencode',
  packageName: `opencode-linux-${process.arch}`,
  version: openCodeVersion,
  program: 'bin/opencode',
};

export async function fetchOpenCode(): Promise<void> {
  await fetchCli(cli);
}

export interface OpenCodeScene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly models: ModelServer;
  readonly repo: Repository;
  readonly folder: string;
  readonly apiKey: string;
  /** The part of the configuration that is about it. */
  readonly harnesses: object;
}

export interface OpenCodeSceneOptions {
  readonly files?: Readonly<Record<string, string>>;
  /** The plugin's. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** What the user has configured for the CLI. */
  readonly own?: object;
}

/** A daemon whose OpenCode talks to a scripted model, with the address and the key that its configuration names. */
export async function openCodeScene(steps: readonly Step[], { files, options, own }: OpenCodeSceneOptions = {}): Promise<OpenCodeScene> {
  const apiKey = `sk-canary-${randomUUID()}`;
  const stack = new AsyncDisposableStack();
  try {
    const { path } = stack.use(await temporaryFolder());
    const repo = stack.use(await repository({ files: { 'a.txt': 'before\n', ...files } }));
    const models = stack.use(await startModelServer(steps, { apiKey }));
    const [key, temporary] = [join(path, 'key'), join(path, 'tmp')];
    writeFileSync(key, `${apiKey}\n`);
    mkdirSync(temporary);
    const harness = {
      executable: programOf(cli),
      model: 'scripted/model-1',
      base_url: `${models.url}/v1`,
      api_key: { file: key },
      // Nothing but the model server is asked for anything.
      env: { TMPDIR: temporary, OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1' },
      ...(options ? { options } : {}),
    };
    const harnesses = { opencode: harness };
    const daemon = stack.use(new TestDaemon({ folder: path, configuration: { harnesses } }));
    if (own) {
      mkdirSync(join(daemon.home, '.config/opencode'), { recursive: true });
      writeFileSync(join(daemon.home, '.config/opencode/opencode.json'), JSON.stringify(own));
    }
    return { daemon, models, repo, folder: path, apiKey, harnesses, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The least that a task for OpenCode needs. */
export function openCodeTask({ repo }: OpenCodeScene, more: Partial<CreateTask> = {}): CreateTask {
  return { title: 'A task', instructions: 'Do it.', harness: 'opencode', workspace: repo.path, ...more };
}

/** A call of the shell tool that tells by a file when it runs, and then does not end by itself. */
export function endless(name: string): NonNullable<Step['tools']>[number] {
  return { name: 'bash', input: { command: `touch "$TMPDIR/${name}"; sleep 300; sleep 301`, description: 'waits' } };
}

export async function reached(scene: OpenCodeScene, name: string): Promise<void> {
  await until(() => existsSync(join(scene.folder, 'tmp', name)), { what: `the tool to reach ${name}`, timeoutMs: 90_000 });
}

/** The CLI itself: neither its shim nor what its tools run. */
export function openCodeProcessOf(taskId: string): { readonly pid: number; readonly command: string } | undefined {
  return processesWithMarker(taskId).find(({ command }) => /\/opencode run --format json /.test(command) && !command.includes('shim'));
}
