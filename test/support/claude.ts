import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Task } from '@singletree/sdk';
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
import { fetchClaudeCode, findClaudeCode } from 'singletree/claude-code';
import { TestDaemon } from './daemon.ts';
import { fetchCli, programOf } from './fetch-cli.ts';

const toolchain = join(import.meta.dirname, '../../.toolchain');
const fetchLimitMs = 300_000;

/** The versions that the plugin was recorded with; the demo runs the newest. */
export const [claudeVersion, oldestClaudeVersion] = ['2.1.329', '2.1.197'] as const;

/** The program of a Claude Code, fetched into the checkout's toolchain where it is not there yet. */
export async function claudeCode(version: string = claudeVersion): Promise<string> {
  const claude = findClaudeCode(toolchain);
  if (version !== claude.version) {
    const cli = { name: 'claude-code', packageName: claude.packageName, version, program: 'claude' };
    await fetchCli(cli);
    return programOf(cli);
  }
  if (claude.isInstalled) return claude.executable;
  mkdirSync(toolchain, { recursive: true });
  const scratch = mkdtempSync(join(toolchain, 'fetch-'));
  try {
    await fetchClaudeCode(claude, scratch, AbortSignal.timeout(fetchLimitMs));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return claude.executable;
}

export interface ClaudeScene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly models: ModelServer;
  readonly repo: Repository;
  readonly folder: string;
  /** The key in the file that the configuration names, and the only one that the model takes. Found wherever it lies about: nothing else looks like it. */
  readonly apiKey: string;
}

export interface ClaudeSceneOptions {
  /** Whether it sends its own traces. */
  readonly telemetry?: boolean;
  readonly version?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** The plugin's. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Beside the harness. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** A daemon whose Claude Code talks to a scripted model, with the address and the key that its configuration names. */
export async function claudeScene(steps: readonly Step[], more: ClaudeSceneOptions = {}): Promise<ClaudeScene> {
  const { version, files, options, args, env, configuration, telemetry = false } = more;
  const executable = await claudeCode(version);
  const apiKey = `sk-canary-${randomUUID()}`;
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await temporaryFolder()).path;
    const repo = stack.use(await repository({ files: { 'a.txt': 'before\n', ...files } }));
    const models = stack.use(await startModelServer(steps, { apiKey }));
    const [key, temporary] = [join(folder, 'key'), join(folder, 'tmp')];
    writeFileSync(key, `${apiKey}\n`);
    mkdirSync(temporary);
    const harness = {
      executable,
      model: 'claude-sonnet-4-5-20250929',
      base_url: models.url,
      api_key: { file: key },
      env: { TMPDIR: temporary, ...env },
      ...(args ? { args } : {}),
      ...(options ? { options } : {}),
      telemetry,
    };
    const daemon = stack.use(new TestDaemon({ folder, configuration: { ...configuration, harnesses: { claude_code: harness } } }));
    return { daemon, models, repo, folder, apiKey, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The least that a task for Claude Code needs. */
export function claudeTask({ repo }: ClaudeScene, more: Partial<CreateTask> = {}): CreateTask {
  return { title: 'A task', instructions: 'Do it.', harness: 'claude_code', workspace: repo.path, ...more };
}

/** A call of the shell tool that tells by a file when it runs, and then does not end by itself, however politely it is asked. */
export function endless(name: string): NonNullable<Step['tools']>[number] {
  return { name: 'Bash', input: { command: `trap "" INT; echo $$ > "$TMPDIR/${name}"; sleep 300; sleep 301` } };
}

export async function reached(scene: ClaudeScene, name: string): Promise<void> {
  const file = join(scene.folder, 'tmp', name);
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '', { what: `the tool to reach ${name}`, timeoutMs: 20_000 });
}

/** The CLI itself: neither its shim nor what its tools run. */
export function claudeProcessOf(taskId: string): { readonly pid: number; readonly command: string } | undefined {
  return processesWithMarker(taskId).find(({ command }) => / -p --output-format stream-json /.test(command) && !command.includes('shim'));
}

/** What the event says of its tokens, in the words of the model server. */
export function toldTokens({ completion }: Task): Record<string, number | undefined> {
  const { uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens, outputTokens, reasoningOutputTokens } = completion?.usage ?? {};
  return {
    input_tokens: uncachedInputTokens,
    cache_read_input_tokens: cacheReadInputTokens,
    cache_creation_input_tokens: cacheWriteInputTokens,
    // The oldest version does not tell them apart.
    output_tokens: outputTokens === undefined ? undefined : outputTokens + (reasoningOutputTokens ?? 0),
  };
}

/** What the model server has put on the wire, summed over all calls. */
export function servedTokens({ served }: ModelServer): Record<string, number> {
  const sum = { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 0 };
  for (const { usage } of served) {
    sum.input_tokens += usage.input_tokens;
    sum.cache_read_input_tokens += usage.cache_read_input_tokens ?? 0;
    sum.cache_creation_input_tokens += usage.cache_creation_input_tokens ?? 0;
    sum.output_tokens += usage.output_tokens + (usage.reasoning_output_tokens ?? 0);
  }
  return sum;
}
