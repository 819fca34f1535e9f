import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Singletree, Task } from '@singletree/sdk';
import { processesWithMarker, repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { eventsOf, expectPromisesKept } from './support/promises.ts';

/** What a task may spend, and what becomes of one that would spend more. */

const stack = new AsyncDisposableStack();
let [folder, workspace] = ['', ''];
let daemon: TestDaemon;
let client: Singletree;

const inFolder = (name: string): string => join(folder, name);
const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
const done: FakeStep = { result: 'success' };
const turn = (call: Extract<FakeStep, { call: unknown }>['call'], at = 0): FakeStep[] => [
  { call },
  { tool: { name: 'Read', summary: `${at}.txt` } },
  { sleep: 150 },
];
const turns = (count: number, call: Extract<FakeStep, { call: unknown }>['call']): FakeStep[] =>
  Array.from({ length: count }, (_, at) => turn(call, at)).flat();

/** What the agent does, by the title of its task. */
const scriptsOf = (): Readonly<Record<string, readonly FakeStep[]>> => ({
  spender: [fix, ...turns(300, { input: 60, output: 40 }), done],
  'last word': [fix, ...turns(2, { input: 60, output: 40 }), { call: { output: 5_000 } }, { say: 'Done.' }, done],
  payer: [fix, ...turns(300, { output: 1, costUsd: 0.01 }), done],
  'without a price': [fix, ...turns(300, { output: 1 }), done],
  delegating: [
    fix,
    ...turn({ input: 1 }),
    { subagentStarted: { id: 'sub' } },
    { tool: { name: 'Task', summary: 'ask', open: true } },
    ...Array.from({ length: 300 }, (): FakeStep[] => [{ call: { thread: 'sub', output: 100, told: false } }, { sleep: 200 }]).flat(),
    { subagentEnded: { id: 'sub' } },
    done,
  ],
  away: [
    fix,
    ...turns(2, { output: 100 }),
    { mark: inFolder('away') },
    { waitFor: inFolder('gone') },
    ...turns(300, { output: 100 }),
    done,
  ],
  held: [fix, ...turns(2, { output: 100 }), { mark: inFolder('held') }, { waitFor: inFolder('released') }, { say: 'Done.' }, done],
});

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 40 } } }));
  daemon.follow({ prompts: Object.entries(scriptsOf()).map(([title, script]) => ({ match: `^# Task: ${title}\n`, script })) });
  client = await daemon.start();
});
afterAll(() => stack.disposeAsync());

const gates = [{ name: 'test', command: 'grep -x after a.txt' }];

async function play(title: string, more: Partial<CreateTask> = {}): Promise<Task> {
  const { id } = await client.tasks.create(aTask(workspace, { title, gates, ...more }));
  return await finished(client, id, 40_000);
}

const warningsOf = async (task: Task, from = client): Promise<string[]> =>
  (await eventsOf(from, task.id)).flatMap((event) => (event.kind === 'warning' ? [event.warning?.message ?? ''] : []));

const endedBy = (reason: string, message: RegExp): object => ({
  state: 'failed',
  failure: { reason, message: expect.stringMatching(message) as string },
  completion: { outcome: 'partial', attemptCount: 1, filesChanged: 1, failure: { reason } },
});

describe.concurrent('a limit', () => {
  test('on tokens ends a task that would go on, with a warning before; its work is kept, and the event tells the figures', async () => {
    const task = await play('spender', { limits: { maxTokens: 1_000 } });
    expect(task).toMatchObject(
      endedBy('token_limit', /^the 1000 tokens of the task are used up: 1\d00 tokens by now, (no|\d+) model calls? .* after that; raise/),
    );
    expect(task.completion?.tokensPerTask).toBeLessThanOrEqual(1_300);
    expect(task.limits).toMatchObject({ maxTokens: 1_000 });
    expect((await warningsOf(task))[0]).toBe("80 % of the task's 1000 tokens are used up");
    await expectPromisesKept(client, task, daemon.state);
  });

  test('that is passed with the last call ends nothing', async () => {
    const task = await play('last word', { limits: { maxTokens: 1_000 } });
    expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', tokensPerTask: 5_200 } });
  });

  test('that was passed lets no further attempt begin', async () => {
    const task = await play('last word', { limits: { maxTokens: 1_000, maxAttempts: 3 }, gates: [{ name: 'test', command: 'false' }] });
    expect(task).toMatchObject(endedBy('token_limit', /^the 1000 tokens of the task are used up: 5200 tokens by now; raise/));
  });

  test("on cost goes by the harness's own figures", async () => {
    const task = await play('payer', { limits: { maxCostUsdMicros: 50_000 } });
    expect(task).toMatchObject(endedBy('cost_limit', /^the \$0\.05 of the task are used up: \$0\.0\d by now/));
    expect(task.completion?.actualCostUsdMicros).toBeLessThanOrEqual(80_000);
  });

  test('on cost ends a task of which nobody knows what it costs', async () => {
    const task = await play('without a price', { limits: { maxCostUsdMicros: 50_000 } });
    expect(task).toMatchObject(endedBy('cost_limit', /^the task may cost \$0\.05, and what it costs is not known: /));
    expect(task.completion?.turnsPerTask).toBeLessThanOrEqual(4);
  });

  test('counts what sub-agents use while they work, where only the files of the session tell it', async () => {
    const task = await play('delegating', { limits: { maxTokens: 1_000 } });
    expect(task).toMatchObject(endedBy('token_limit', /^the 1000 tokens of the task are used up/));
    expect(task.completion?.tokensPerTask).toBeLessThan(2_500);
  });
});

test('a daemon that comes back counts again from the first word, and nothing twice; what one before it had held goes on', async () => {
  const begun = await Promise.all(
    ['away', 'held'].map((title) => client.tasks.create(aTask(workspace, { title, gates, limits: { maxTokens: 1_000 } }))),
  );
  const [away = '', held = ''] = begun.map(({ id }) => id);
  await until(() => existsSync(inFolder('away')) && existsSync(inFolder('held')), { what: 'both to be at work', timeoutMs: 20_000 });
  await daemon.kill();
  const agent = processesWithMarker(held).find(({ command }) => command.includes('fake-agent'));
  process.kill(agent?.pid ?? Number.NaN, 'SIGSTOP');
  writeFileSync(inFolder('gone'), '');
  writeFileSync(inFolder('released'), '');
  client = await daemon.start();
  const [stopped, completed] = [await finished(client, away), await finished(client, held)];

  expect(stopped).toMatchObject(endedBy('token_limit', /^the 1000 tokens of the task are used up/));
  expect(stopped.completion?.tokensPerTask).toBeGreaterThanOrEqual(1_000);
  expect(completed).toMatchObject({ state: 'completed', completion: { outcome: 'success', attemptCount: 1, tokensPerTask: 200 } });
  await expectPromisesKept(client, stopped, daemon.state);
});
