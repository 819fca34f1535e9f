import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Task } from '@singletree/sdk';
import { repository, startModelServer, temporaryFolder, type ModelServer, type Repository, type Step } from '@singletree/testing';
import { fetchClaudeCode, findClaudeCode } from 'singletree/claude-code';
import { TestDaemon } from './daemon.ts';

const toolchain = join(import.meta.dirname, '../../.toolchain');
const fetchLimitMs = 300_000;

/** The program of the pinned Claude Code, fetched into the checkout's toolchain where the demo has not done so yet. */
export async function claudeCode(): Promise<string> {
  const claude = findClaudeCode(toolchain);
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

/** A daemon whose Claude Code talks to a scripted model, with the address and the key that its configuration names. */
export async function claudeScene(steps: readonly Step[], files: Readonly<Record<string, string>> = {}): Promise<ClaudeScene> {
  const executable = await claudeCode();
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
      env: { TMPDIR: temporary },
    };
    const configuration = { harnesses: { claude_code: harness } };
    const daemon = stack.use(new TestDaemon({ folder, configuration }));
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

/** What the event says of its tokens, in the words of the model server. */
export function toldTokens({ completion }: Task): Record<string, number | undefined> {
  const { uncachedInputTokens, cacheReadInputTokens, cacheWriteInputTokens, outputTokens } = completion?.usage ?? {};
  return {
    input_tokens: uncachedInputTokens,
    cache_read_input_tokens: cacheReadInputTokens,
    cache_creation_input_tokens: cacheWriteInputTokens,
    output_tokens: outputTokens,
  };
}

/** What the model server has put on the wire, summed over all calls. */
export function servedTokens({ served }: ModelServer): Record<string, number> {
  const sum = { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 0 };
  for (const { usage } of served) {
    sum.input_tokens += usage.input_tokens;
    sum.cache_read_input_tokens += usage.cache_read_input_tokens ?? 0;
    sum.cache_creation_input_tokens += usage.cache_creation_input_tokens ?? 0;
    sum.output_tokens += usage.output_tokens;
  }
  return sum;
}
