import type { CreateTask, Task } from '@singletree/sdk';
import { randomFrom, seedOf, type Step } from '@singletree/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { Judge, tokensServed } from './support/budget.ts';
import { claudeCode, claudeScene, claudeTask, type ClaudeScene } from './support/claude.ts';
import { codexScene, codexTask, fetchCodex, type CodexScene } from './support/codex.ts';
import { finished } from './support/daemon.ts';
import { fetchOpenCode, openCodeScene, openCodeTask, type OpenCodeScene } from './support/opencode.ts';
import { expectPromisesKept } from './support/promises.ts';

/** Limits in flight, with the real CLIs against a model that answers at once: its log tells how many calls began after a limit was passed. */

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const rounds = Number(process.env['SINGLETREE_TEST_BUDGET_ROUNDS'] ?? (full ? 10 : 1));
const random = randomFrom(seedOf('budgets'));
const upTo = (most: number): number => 1 + Math.floor(random() * most);

type Scene = ClaudeScene | CodexScene | OpenCodeScene;

interface Cli {
  readonly name: string;
  readonly fetch: () => Promise<unknown>;
  readonly scene: (steps: readonly Step[]) => Promise<Scene>;
  readonly task: (scene: Scene, more: Partial<CreateTask>) => CreateTask;
  /** What the model may ask for, from a tool that takes a while to one that is done at once. */
  readonly tools: readonly ((number: number) => NonNullable<Step['tools']>[number])[];
}

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
  },
];

/** Calls that all ask for another one, with figures that have nothing to do with what they say. */
function calls({ tools }: Cli, count: number): Step[] {
  return Array.from({ length: count }, (_, number) => ({
    text: 'I go on.',
    tools: [tools[Math.floor(random() * tools.length)]!(number)],
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

describe.each(clis)('$name', (cli) => {
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
        if (judge.begun > 0)
          console.log(
            cli.name,
            'passing',
            passing,
            'begun',
            judge.begun,
            JSON.stringify(steps.slice(0, 6).map(({ tools }) => tools?.[0]?.name)),
            task.completion?.failure?.message,
          );
      }
      console.log(`${cli.name}: calls begun after the limit, by try: ${begun.join(' ')}`);
      expect(Math.max(...begun)).toBeLessThanOrEqual(1);
    },
    rounds * 60_000,
  );
});

function sumOf(steps: readonly Step[]): number {
  return steps.reduce(
    (sum, { usage }) => sum + (usage?.input_tokens ?? 0) + (usage?.cache_read_input_tokens ?? 0) + (usage?.output_tokens ?? 0),
    0,
  );
}
