import type { CreateTask, Task } from '@singletree/sdk';
import { randomFrom, seedOf, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { Judge, tokensServed } from './support/budget.ts';
import { claudeCode, claudeScene, claudeTask, type ClaudeScene } from './support/claude.ts';
import { codexScene, codexTask, fetchCodex, type CodexScene } from './support/codex.ts';
import { finished } from './support/daemon.ts';
import { fetchOpenCode, openCodeScene, type OpenCodeScene } from './support/opencode.ts';
import { expectPromisesKept } from './support/promises.ts';

/** Limits in flight, with the real CLIs against a model that answers at once: its log tells how many calls began after a limit was passed. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const rounds = Number(process.env['SINGLETREE_TEST_BUDGET_ROUNDS'] ?? (full ? 10 : 1));
const seed = seedOf('budgets');

type ToolCall = NonNullable<Step['tools']>[number];
type Scene = ClaudeScene | CodexScene | OpenCodeScene;

interface Cli {
  readonly name: string;
  readonly fetch: () => Promise<unknown>;
  readonly scene: (steps: readonly Step[]) => Promise<Scene>;
  readonly task: (scene: Scene, more: Partial<CreateTask>) => CreateTask;
  /** What the model may ask for, from a tool that takes a while to one that is done at once. */
  readonly tools: readonly ((number: number) => ToolCall)[];
  /** How it gives work to a sub-agent. */
  readonly delegate: ToolCall;
  /** What keeps its main thread busy meanwhile, where it does not wait. */
  readonly wait: ToolCall;
}

const subPrompt = 'SUBPROMPT-XYZ do sub work';

const clis: readonly Cli[] = [
  {
    name: 'Claude Code',
    fetch: claudeCode,
    scene: (steps) => claudeScene(steps),
    task: claudeTask,
    tools: [
      (number) => ({ name: 'Bash', input: { command: `true ${number}`, description: 'true' } }),
      () => ({ name: 'Glob', input: { pattern: '*.txt' } }),
    ],
    delegate: {
      name: 'Agent',
      input: { description: 'sub', prompt: subPrompt, subagent_type: 'general-purpose', run_in_background: false },
    },
    wait: { name: 'Bash', input: { command: 'true', description: 'true' } },
  },
  {
    name: 'Codex',
    fetch: fetchCodex,
    scene: (steps) => codexScene(steps),
    task: codexTask,
    tools: [
      (number) => ({ name: 'exec_command', input: { cmd: `true ${number}` } }),
      (number) => ({ name: 'update_plan', input: { plan: [{ step: `${number}`, status: 'in_progress' }] } }),
    ],
    delegate: { name: 'spawn_agent', namespace: 'multi_agent_v1', input: { message: subPrompt } },
    wait: { name: 'exec_command', input: { cmd: 'sleep 20', yield_time_ms: 25_000 } },
  },
  {
    name: 'OpenCode',
    fetch: fetchOpenCode,
    scene: (steps) => openCodeScene(steps),
    task: ({ repo }, more) => ({ title: 'A task', instructions: 'Do it.', harness: 'opencode', workspace: repo.path, ...more }),
    tools: [
      (number) => ({ name: 'bash', input: { command: `true ${number}`, description: 'true' } }),
      () => ({ name: 'glob', input: { pattern: '*.txt' } }),
    ],
    delegate: { name: 'task', input: { description: 'sub', prompt: subPrompt, subagent_type: 'general' } },
    wait: { name: 'bash', input: { command: 'true', description: 'true' } },
  },
];

/** Each draws figures of its own, whatever runs beside it. */
interface Drawing extends Cli {
  readonly upTo: (most: number) => number;
}

const drawing: readonly Drawing[] = clis.map((cli, index) => {
  const random = randomFrom((seed + index) >>> 0);
  return { ...cli, upTo: (most) => 1 + Math.floor(random() * most) };
});

/** Calls that all ask for another one, with figures that have nothing to do with what they say. */
function calls({ tools, upTo }: Drawing, count: number): Step[] {
  return Array.from({ length: count }, (_, number) => ({
    text: 'I go on.',
    tools: [tools[upTo(tools.length) - 1]!(number)],
    usage: { input_tokens: upTo(2_000), cache_read_input_tokens: upTo(9_000), output_tokens: upTo(5_000) },
  }));
}

async function run(cli: Cli, steps: readonly Step[], limit: number, more: Partial<CreateTask> = {}): Promise<{ task: Task; judge: Judge }> {
  const judge = new Judge(limit);
  await using scene = await cli.scene(judge.over(steps));
  judge.models = scene.models;
  const client = await scene.daemon.start();
  const { id } = await client.tasks.create(cli.task(scene, { limits: { maxTokens: limit }, ...more }));
  const task = await finished(client, id, 60_000);
  expect(tokensServed(scene.models)).toBeGreaterThanOrEqual(limit);
  await expectPromisesKept(client, task, scene.daemon.state);
  return { task, judge };
}

beforeAll(async () => {
  for (const { fetch } of clis) await fetch();
}, 300_000);

describe.concurrent.each(drawing)('$name', (cli) => {
  const { upTo } = cli;

  test(
    `at most one call begins after a limit on tokens was passed, in ${rounds} tries`,
    async () => {
      const begun: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const steps = calls(cli, 12);
        const sums = steps.slice(0, 5).map((_, index) => sumOf(steps.slice(0, index + 1)));
        const passing = upTo(4);
        const limit = sums[passing - 1]! + upTo(sums[passing]! - sums[passing - 1]!);
        const { task, judge } = await run(cli, steps, limit);
        expect(task).toMatchObject({
          state: 'failed',
          completion: { outcome: 'failure', failure: { reason: 'token_limit' } },
        });
        begun.push(judge.begun);
      }
      console.log(`${cli.name}: calls begun after the limit, by try: ${begun.join(' ')}`);
      expect(Math.max(...begun)).toBeLessThanOrEqual(1);
    },
    rounds * 60_000,
  );

  test.runIf(full)(
    'counts what a sub-agent uses while it works',
    async () => {
      const ofSub: Step['match'] = ({ text }) => text.includes(subPrompt) && !text.includes('I delegate.');
      const others = calls(cli, 12);
      // OpenCode tells what a call used that delegates once its sub-agents are through.
      const main: Step = { notMatch: subPrompt, text: 'I delegate.', tools: [cli.delegate], usage: { input_tokens: 1, output_tokens: 1 } };
      const sub = others.map((step) => ({ ...step, match: ofSub }));
      const meanwhile: Step = { text: 'I wait.', tools: [cli.wait], usage: { input_tokens: 1, output_tokens: 1 }, times: 'always' };
      const { task, judge } = await run(cli, [main, ...sub, meanwhile], sumOf([main, ...sub.slice(0, 2)]));
      expect(task).toMatchObject({ state: 'failed', completion: { failure: { reason: 'token_limit' } } });
      console.log(`${cli.name}: calls begun after a sub-agent had passed the limit: ${judge.begun}`);
      expect(judge.begun).toBeLessThanOrEqual(1);
    },
    90_000,
  );

  test.runIf(full)(
    'a task whose last call passes the limit has done its work',
    async () => {
      const [first = {}, last = {}] = calls(cli, 2);
      const steps: Step[] = [first, { text: 'Done.', ...(last.usage ? { usage: last.usage } : {}) }];
      const { task } = await run(cli, steps, sumOf(steps));
      expect(task.failure).toBeUndefined();
      expect(task).toMatchObject({ state: 'completed', completion: { outcome: 'success', tokensPerTask: sumOf(steps) } });
    },
    90_000,
  );
});

test.runIf(full)(
  'a context that is too full ends its attempt, and a fresh session goes on',
  async () => {
    const usage = { input_tokens: 60_000, output_tokens: 5 };
    const look = (number: number): Step => ({ text: 'I look.', tools: [{ name: 'exec_command', input: { cmd: `true ${number}` } }] });
    // How large the window is stands in the session's files: they are read while the model thinks.
    const steps = [look(1), { ...look(2), usage, delayMs: 2_000 }, { text: 'Too late.', delayMs: 5_000 }, { text: 'Done.' }];
    await using scene = await codexScene(steps, { options: { context_window: 100_000 } });
    const client = await scene.daemon.start();
    const { id } = await client.tasks.create(codexTask(scene, { limits: { maxContextUtilization: 0.5 } }));
    const task = await finished(client, id, 60_000);
    expect(task).toMatchObject({
      state: 'completed',
      attempts: [{ failure: { reason: 'context_exhausted' } }, { resumed: false }],
      completion: { outcome: 'success', contextRotations: 1 },
    });
    expect(task.attempts[0]?.failure?.message).toContain('and the task allows 50 %');
    expect(scene.models.requests.at(-1)?.text).toContain('Do it.');
  },
  90_000,
);

function sumOf(steps: readonly Step[]): number {
  return steps.reduce(
    (sum, { usage }) => sum + (usage?.input_tokens ?? 0) + (usage?.cache_read_input_tokens ?? 0) + (usage?.output_tokens ?? 0),
    0,
  );
}
