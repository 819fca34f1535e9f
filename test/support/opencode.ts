import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask } from '@singletree/sdk';
import {
  processesWithMarker,
  randomFrom,
  repository,
  seededUsage,
  seedOf,
  startModelServer,
  temporaryFolder,
  until,
  type ModelServer,
  type Repository,
  type Step,
} from '@singletree/testing';
import { TestDaemon } from './daemon.ts';
import { fetchCli, programOf, type PinnedCli } from './fetch-cli.ts';

/** The newest version that the plugin was recorded with, or another one that is to be tried. */
export const openCodeVersion: string = process.env['SINGLETREE_TEST_OPENCODE'] ?? '1.18.33';

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
  /** Whether it sends its own traces. */
  readonly telemetry?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  /** The plugin's. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** What the user has configured for the CLI. */
  readonly own?: object;
  /** Parts of the daemon's configuration. */
  readonly configuration?: object;
  /** By name of the variable; each is read from a file of that name. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/** A daemon whose OpenCode talks to a scripted model, with the address and the key that its configuration names. */
export async function openCodeScene(
  steps: readonly Step[],
  { files, options, own, configuration, secrets = {}, telemetry = false }: OpenCodeSceneOptions = {},
): Promise<OpenCodeScene> {
  const apiKey = `sk-canary-${randomUUID()}`;
  const stack = new AsyncDisposableStack();
  try {
    const { path } = stack.use(await temporaryFolder());
    const repo = stack.use(await repository({ files: { 'a.txt': 'before\n', ...files } }));
    const models = stack.use(await startModelServer(steps, { apiKey }));
    const [key, temporary, catalogue] = [join(path, 'key'), join(path, 'tmp'), join(path, 'models.json')];
    writeFileSync(key, `${apiKey}\n`);
    writeFileSync(catalogue, '{}');
    for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(path, name), secret);
    mkdirSync(temporary);
    const harness = {
      executable: programOf(cli),
      model: 'scripted/model-1',
      base_url: `${models.url}/v1`,
      api_key: { file: key },
      secrets: Object.fromEntries(Object.keys(secrets).map((name) => [name, { file: join(path, name) }])),
      // Nothing but the model server is asked for anything. An empty catalogue of models is read in a second less than the CLI's own.
      env: {
        TMPDIR: temporary,
        OPENCODE_MODELS_PATH: catalogue,
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
        npm_config_registry: 'http://127.0.0.1:9/',
        npm_config_fetch_retries: '0',
      },
      ...(options ? { options } : {}),
      telemetry,
    };
    const harnesses = { opencode: harness };
    const daemon = stack.use(new TestDaemon({ folder: path, configuration: { ...configuration, harnesses } }));
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

const random = randomFrom(seedOf('OpenCode'));

/** Each answer with figures of its own, but for those that have some and those that are refused. */
export function withUsage(steps: readonly Step[]): Step[] {
  const usage = seededUsage(Math.floor(random() * 2 ** 32), steps.length, { reasoning: true });
  return steps.map((step, index) => ((step.usage ?? step.status) ? step : { ...step, usage: usage[index]! }));
}

export function bash(command: string, text = 'I look.'): Step {
  return { text, tools: [{ name: 'bash', input: { command, description: 'looks' } }] };
}

/** The CLI's own tool takes absolute paths, and only in its own workspace. */
export function edit(from: string, to: string): Step {
  return bash(`sed -i 's/^${from}$/${to}/' a.txt`, `I make ${to} of ${from}.`);
}

export function write(file: string, content: string): Step {
  return { text: `I write ${file}.`, tools: [{ name: 'write', input: { filePath: file, content } }] };
}

/** Calls a sub-agent with a prompt by which its requests are known. */
export function delegate(to: string, agent = 'general'): Step {
  const input = { description: `work of ${to}`, prompt: `PROMPT-OF-${to} do it`, subagent_type: agent };
  return { text: `I delegate to ${to}.`, tools: [{ name: 'task', input }] };
}

/** The step is for requests of this sub-agent; without a name, for those of none. */
export function by(name: string | undefined, step: Step): Step {
  return { ...step, match: ({ raw }) => /PROMPT-OF-(\w+)/.exec(firstPromptOf(raw))?.[1] === name };
}

function firstPromptOf(request: string): string {
  const from = request.indexOf('"role":"user"');
  return request.slice(from, from + 200);
}

export function gate(line: string): { readonly name: string; readonly command: string } {
  return { name: 'test', command: `grep -x ${line} a.txt` };
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
