import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, ModelCall, Task } from '@singletree/sdk';
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
export const codexVersion = '0.169.0';

export const oldestCodexVersion = '0.150.0';

/** What npm links as `codex` is a script that starts the program of the package for this platform. */
const cliOf = (version: string): PinnedCli => ({ name: 'codex', packageName: '@openai/codex', version, program: 'bin/codex.js' });

export async function fetchCodex(version: string = codexVersion): Promise<void> {
  await fetchCli(cliOf(version));
}

export interface CodexScene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly models: ModelServer;
  readonly repo: Repository;
  readonly folder: string;
  readonly apiKey: string;
}

export interface CodexSceneOptions {
  /** Whether it sends its own traces. */
  readonly telemetry?: boolean;
  readonly files?: Readonly<Record<string, string>>;
  /** The plugin's. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  readonly version?: string;
  /** Beside the harness. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** Two tries of everything: the CLI's own twenty-five would take half a minute. */
const fewRetries = ['request', 'stream'].flatMap((what) => ['-c', `model_providers.singletree.${what}_max_retries=1`]);

/** A daemon whose Codex talks to a scripted model, with the address and the key that its configuration names. */
export async function codexScene(
  steps: readonly Step[],
  { files, options, env, secrets = {}, args = [], version = codexVersion, configuration, telemetry = false }: CodexSceneOptions = {},
): Promise<CodexScene> {
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
      executable: programOf(cliOf(version)),
      model: 'gpt-5.5',
      base_url: `${models.url}/v1`,
      api_key: { file: key },
      env: { TMPDIR: temporary, ...env },
      secrets,
      args: [...fewRetries, ...args],
      ...(options ? { options } : {}),
      telemetry,
    };
    const daemon = stack.use(new TestDaemon({ folder: path, configuration: { ...configuration, harnesses: { codex: harness } } }));
    return { daemon, models, repo, folder: path, apiKey, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The least that a task for Codex needs. */
export function codexTask({ repo }: CodexScene, more: Partial<CreateTask> = {}): CreateTask {
  return { title: 'A task', instructions: 'Do it.', harness: 'codex', workspace: repo.path, ...more };
}

/** A call of the shell tool that tells by a file when it runs, and then does not end by itself. */
export function endless(name: string): NonNullable<Step['tools']>[number] {
  return { name: 'exec_command', input: { cmd: `touch "$TMPDIR/${name}"; sleep 300; sleep 301`, yield_time_ms: 30_000 } };
}

export async function reached(scene: CodexScene, name: string): Promise<void> {
  await until(() => existsSync(join(scene.folder, 'tmp', name)), { what: `the tool to reach ${name}`, timeoutMs: 20_000 });
}

/** The CLI itself: neither its shim nor what its tools run. */
export function codexProcessOf(taskId: string): { readonly pid: number; readonly command: string } | undefined {
  return processesWithMarker(taskId).find(({ command }) => / exec --json /.test(command) && !command.includes('shim'));
}

/** Tokens in the words of the model server. */
export function wireTokens(usage: ModelCall['usage']): Record<string, number | undefined> {
  return {
    input_tokens: usage?.uncachedInputTokens,
    cache_read_input_tokens: usage?.cacheReadInputTokens,
    cache_creation_input_tokens: usage?.cacheWriteInputTokens,
    output_tokens: usage?.outputTokens,
    reasoning_output_tokens: usage?.reasoningOutputTokens,
  };
}

/** What the event says of its tokens. */
export function toldTokens({ completion }: Task): Record<string, number | undefined> {
  return wireTokens(completion?.usage);
}

/** What the model server has put on the wire, summed over all calls. */
export function servedTokens({ served }: Pick<ModelServer, 'served'>): Record<string, number> {
  const sum = { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 0, reasoning_output_tokens: 0 };
  for (const { usage } of served) {
    sum.input_tokens += usage.input_tokens;
    sum.cache_read_input_tokens += usage.cache_read_input_tokens ?? 0;
    sum.cache_creation_input_tokens += usage.cache_creation_input_tokens ?? 0;
    sum.output_tokens += usage.output_tokens;
    sum.reasoning_output_tokens += usage.reasoning_output_tokens ?? 0;
  }
  return sum;
}
