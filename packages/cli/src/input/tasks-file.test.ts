import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseTasks, type FileTask } from './tasks-file.ts';

const parse = (text: string): FileTask[] => parseTasks('tasks.yaml', Buffer.from(text), '/home/ada/lists');

test('every key', () => {
  const [task, ...others] = parse(`
- title: Fix the rounding bug
  instructions: |
    price.js rounds half cents down.
  acceptance_criteria: [price.test.js passes, no other output changes]
  context: [{ file: docs/invoicing.md }, { text: "Amounts are integers of cents." }]
  task_type: debugging
  complexity: low
  workspace: ../shop
  workspace_mode: clone
  harness: claude_code
  model: sonnet
  gates:
    - { name: test, run: npm test }
    - { name: lint, run: npm run lint, required: false, timeout: 2m, kind: custom }
  setup: [npm ci]
  permissions: edits
  limits:
    { timeout: 1h30m, max_attempts: 2, max_output: 64MiB, attempt_timeout: 20m, first_output: 90s, stall: 3m, max_turns: 50, max_tokens: 8000000000, cost_usd: 2.50, max_context: 0.8, min_free_disk: 0, blocked_limit: 2h }
  retry:
    stalled: { retry: false }
    rate_limited: { charged: true, session: fresh, initial: 30s, factor: 1.5, cap: 0, jitter: 0, max_retries: 4 }
  priority: -3
  labels: { team: billing }
  request_id: nightly-1
- { instructions: x, workspace: ~/src/shop, setup: npm ci, gates: { test: npm test, lint: { run: npm run lint, required: false } } }
`);
  expect(task).toEqual({
    title: 'Fix the rounding bug',
    instructions: 'price.js rounds half cents down.\n',
    acceptanceCriteria: ['price.test.js passes', 'no other output changes'],
    context: [{ file: 'docs/invoicing.md' }, { text: 'Amounts are integers of cents.' }],
    taskType: 'debugging',
    complexity: 'low',
    workspace: '/home/ada/shop',
    workspaceMode: 'clone',
    harness: 'claude_code',
    model: 'sonnet',
    gates: [
      { name: 'test', command: 'npm test' },
      { name: 'lint', command: 'npm run lint', required: false, timeoutMs: 120_000, kind: 'custom' },
    ],
    setup: ['npm ci'],
    permissions: 'edits',
    limits: {
      timeoutMs: 5_400_000,
      maxAttempts: 2,
      maxOutputBytes: 64 * 1024 * 1024,
      attemptTimeoutMs: 1_200_000,
      firstOutputMs: 90_000,
      stallMs: 180_000,
      maxTurns: 50,
      maxTokens: 8_000_000_000,
      maxCostUsdMicros: 2_500_000,
      maxContextUtilization: 0.8,
      minFreeDiskBytes: 0,
      blockedLimitMs: 7_200_000,
    },
    retry: [
      { reason: 'stalled', retry: false },
      {
        reason: 'rate_limited',
        charged: true,
        session: 'fresh',
        backoffInitialMs: 30_000,
        backoffFactor: 1.5,
        backoffCapMs: 0,
        jitter: 0,
        maxRetries: 4,
      },
    ],
    priority: -3,
    labels: { team: 'billing' },
    requestId: 'nightly-1',
  });
  expect(others).toEqual([
    {
      instructions: 'x',
      workspace: `${homedir()}/src/shop`,
      setup: ['npm ci'],
      gates: [
        { name: 'test', command: 'npm test' },
        { name: 'lint', command: 'npm run lint', required: false },
      ],
    },
  ]);
});

test('the example of the documentation is one', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');
  const [, example = ''] = /## A file of tasks.*?```yaml\n(.*?)```/s.exec(page) ?? [];
  expect(parse(example)).toMatchObject([
    { title: 'Fix the rounding bug', gates: [{ name: 'test' }, { name: 'lint', required: false }] },
    { instructions: expect.any(String) },
  ]);
});

test('one task without a list', () => expect(parse('instructions: x')).toEqual([{ instructions: 'x' }]));

test.each([
  ['- instructions: x\n  titel: y', 'unknown key "titel" in tasks.yaml, line 2', 'did you mean title?'],
  ['- instructions: x\n  limits: { max_cost_usd: 2.5 }', 'unknown key "max_cost_usd"', 'did you mean cost_usd?'],
  ['- prompt: x', 'unknown key "prompt" in tasks.yaml, line 1', 'did you mean instructions?'],
  ['- instructions: x\n  gates: { test: { command: y } }', 'unknown key "command" in tasks.yaml, line 2', 'did you mean run?'],
  ['- instructions: x\n  limits:\n    timout: 3m', 'unknown key "timout" in tasks.yaml, line 3', 'did you mean timeout?'],
  [
    '- instructions: x\n  limits: { budget_usd: 2.5 }',
    'unknown key "budget_usd" in tasks.yaml, line 2',
    'known keys: timeout, attempt_timeout, first_output, stall, blocked_limit, max_attempts, max_turns, max_tokens, cost_usd, max_context, max_output, min_free_disk',
  ],
  [
    '- instructions: x\n  gates:\n  - name: a\n    run: b\n    requird: true',
    'unknown key "requird" in tasks.yaml, line 5',
    'did you mean required?',
  ],
  ['- instructions: x\n- title: y', '[2] in tasks.yaml, line 2: instructions are missing', 'instructions: what should be done'],
  [
    '- instructions: x\n  gates: [test]',
    '[1].gates[1] in tasks.yaml, line 2: the gate "test" has no command',
    'write { name: test, run: … }',
  ],
  ['- instructions: x\n  gates: [{ run: npm test }]', 'the gate has no name', 'write { name: test, run: npm test }'],
  ['- instructions: x\n  permissions: al', '"al" is not one of all, edits, read', 'did you mean all?'],
  ['- instructions: x\n  limits: { timeout: 30 }', 'expected a duration such as 90s, 5m or 1h30m, found 30', 'put it in quotes'],
  ['- instructions: x\n  limits: { timeout: 30 min }', '"30 min" is not a duration', 'write for example 90s, 5m or 1h30m'],
  ['- instructions: x\n  title: 5', '[1].title in tasks.yaml, line 2: expected a text, found 5', 'put it in quotes'],
  ['- instructions: x\n  context: [{ file: a, text: b }]', 'expected { file: … } or { text: … }', undefined],
  ['- instructions: x\n  context: [{ fiel: a }]', 'unknown key "fiel" in tasks.yaml, line 2', 'did you mean file?'],
  ['- instructions: x\n  priority: 1.5', 'expected a whole number, found 1.5', undefined],
  ['- instructions: x\n  retry: { stalld: {} }', 'unknown key "stalld" in tasks.yaml, line 2', 'did you mean stalled?'],
  // What ends the task whatever a rule says has none.
  ['- instructions: x\n  retry: { cancelled: { retry: true } }', 'unknown key "cancelled" in tasks.yaml, line 2', undefined],
  ['- instructions: x\n  retry: { lost: { retry: 1 } }', '[1].retry.lost.retry in tasks.yaml, line 2: expected true or false', undefined],
  ['- instructions: x\n  retry: { lost: { factor: 11 } }', 'expected a number from 1 to 10, found 11', undefined],
  ['- instructions: x\n  limits: { stall: 0 }', 'expected a duration such as 90s', undefined],
  // What has no words on the wire is no lost daemon.
  ['- instructions: x\n  limits: { stall: 366d }', 'a duration must be at most 365d', undefined],
  ['- instructions: x\n  limits: { max_output: 9999999GiB }', 'a size must be less than 8192 TiB', undefined],
  ['- instructions: x\n  limits: { max_tokens: 0 }', 'expected a whole number from 1 on, found 0', undefined],
  ['- instructions: x\n  limits: { cost_usd: 2.50 USD }', 'expected US dollars such as 2.50, found "2.50 USD"', undefined],
  ['- instructions: x\n  limits: { cost_usd: 0 }', 'expected US dollars such as 2.50, found 0', undefined],
  ['- instructions: x\n  limits: { max_context: 80 }', 'expected a number from 0.01 to 1, found 80', undefined],
  ['- instructions: x\n  limits: { max_turns: 2147483648 }', '2147483648 is too large a number', undefined],
  ['instructions: [', 'tasks.yaml, line 1', undefined],
  ['just text', 'tasks.yaml, line 1: expected a task: a mapping with instructions', undefined],
  ['[]', 'there is no task in the list', undefined],
  ['- instructions: x\n  constructor: y', 'unknown key "constructor" in tasks.yaml, line 2', undefined],
])('%j is refused with its place', (text, message, hint) => {
  let refused: unknown;
  try {
    parse(text);
  } catch (error) {
    refused = error;
  }
  expect(refused).toMatchObject({ exitCode: 2, message: expect.stringContaining(message) });
  if (hint !== undefined) expect(refused).toMatchObject({ hint: expect.stringContaining(hint) });
});
