import { join } from 'node:path';
import type { CreateTask, Outcome, Singletree, Task } from '@singletree/sdk';
import { repository, temporaryFolder, until, type FakeScript } from '@singletree/testing';
import { aTask, finished, TestDaemon } from '../../support/daemon.ts';

const change = { write: { path: 'a.txt', content: 'after\n' } };
const passing = { name: 'test', command: 'grep after a.txt' };
const failing = { name: 'lint', command: 'echo "line 3 is too long"; exit 1' };
const impossible = { name: 'scan', command: 'exit 127', required: false };
/** Less than the 1,000 tokens of the context window. */
const call = { call: { input: 200, cacheRead: 300, cacheWrite: 40, output: 50, reasoning: 20, costUsd: 0.25 } };

/** What the agent does, by a word of its instructions. */
const script: FakeScript = {
  prompts: [
    { match: 'SUCCEED', script: [call, { compaction: { before: 900, after: 300 } }, call, change, { say: 'Done.' }] },
    { match: 'BREAK A GATE', script: [call, change, { say: 'Done.' }] },
    // Nobody says what it costs.
    { match: 'LOOK ONLY', script: [{ call: { input: 200, output: 50 } }, { say: 'It looks good.' }] },
    { match: 'HANG', script: [call, { hang: true }] },
    { match: 'CRASH', script: [call, { exit: 3 }] },
    // What a session is told that is resumed after a crash.
    { match: '^# Go on', script: [call, change, { say: 'Done.' }] },
    { match: 'WAIT', script: [call, { say: 'I am waiting.' }, { hang: true }] },
  ],
};

const tasks = {
  success: { instructions: 'SUCCEED', taskType: 'implementation', complexity: 'medium', gates: [passing] },
  /** Something is kept, though a gate is red. */
  partial: { instructions: 'BREAK A GATE', taskType: 'debugging', gates: [passing, failing, impossible], limits: { maxAttempts: 1 } },
  /** Nothing is kept. */
  gateFailed: { instructions: 'LOOK ONLY', taskType: 'code_review', gates: [failing], limits: { maxAttempts: 1 } },
  timeout: { instructions: 'HANG', taskType: 'testing', limits: { timeoutMs: 1_500 } },
  retried: { instructions: 'CRASH', taskType: 'implementation', gates: [passing] },
  cancelled: { instructions: 'WAIT', taskType: 'documentation' },
} satisfies Record<string, Partial<CreateTask>>;

export type FixtureName = keyof typeof tasks;
export type Fixture = Readonly<Record<FixtureName, Task>>;

export const fixtureNames: readonly FixtureName[] = Object.keys(tasks) as FixtureName[];

export const outcomes: Readonly<Record<FixtureName, Outcome>> = {
  success: 'success',
  partial: 'partial',
  gateFailed: 'failure',
  timeout: 'timeout',
  retried: 'success',
  cancelled: 'failure',
};

export interface Scene extends AsyncDisposable {
  readonly folder: string;
  /** A repository for tasks. */
  readonly workspace: string;
  readonly daemon: TestDaemon;
  /** Runs the tasks, all at once, and waits for their ends. */
  run(client: Singletree): Promise<Fixture>;
}

/**
 * A daemon with a repository for its tasks; not started yet.
 *
 * @param configuration parts of its configuration
 */
export async function openScene(configuration: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const fake = { plugin: '@singletree/testing/fake-harness', options: { script: join(folder, 'script.json'), contextWindow: 1_000 } };
  const daemon = stack.use(new TestDaemon({ folder, configuration: { harnesses: { fake }, ...configuration } }));
  daemon.follow(script);
  return {
    folder,
    workspace,
    daemon,
    async run(client) {
      const created = await Promise.all(
        fixtureNames.map(
          async (name) => [name, (await client.tasks.create(aTask(workspace, { title: name, ...tasks[name] }))).id] as const,
        ),
      );
      const ids = Object.fromEntries(created) as Record<FixtureName, string>;
      await until(async () => (await client.tasks.get(ids.cancelled)).turnsPerTask === 1, {
        what: 'a call of the one to be cancelled',
        timeoutMs: 30_000,
      });
      await client.tasks.cancel(ids.cancelled);
      const ended = await Promise.all(created.map(async ([name, id]) => [name, await finished(client, id, 60_000)] as const));
      return Object.fromEntries(ended) as Record<FixtureName, Task>;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
