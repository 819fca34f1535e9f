import type { CreateTask } from '@singletree/sdk';
import { seededUsage, type Step } from '@singletree/testing';

/** What the demo's agent is faced with, and what the scripted model lets it do. */

export const model = 'claude-sonnet-4-5-20250929';

const source = 'src/price.js';
const test = 'price.test.js';

/** A small repository with a failing test. */
export const files: Readonly<Record<string, string>> = {
  'package.json': `${JSON.stringify({ name: 'shop', private: true, type: 'module', scripts: { test: 'node price.test.js' } }, undefined, 2)}\n`,
  [source]: `/** An amount of cents as an invoice shows it. */
export function price(cents) {
  const n = cents / 100;
  return n + '';
}
`,
  [test]: `import { price } from './src/price.js';

const shown = price(1250);
if (shown !== '12.50') {
  console.error(\`price.test.js: expected 12.50, got \${shown}\`);
  process.exit(1);
}
console.log('price.test.js: passed');
`,
};

export const task: Omit<CreateTask, 'workspace'> = {
  title: 'make the failing test pass',
  instructions: 'The test in price.test.js fails. Find out why and mend src/price.js.',
  acceptanceCriteria: ['npm test passes, and price.test.js is as it was'],
  taskType: 'debugging',
  harness: 'claude_code',
  permissions: 'all',
  gates: [{ name: 'test', command: 'npm test' }],
  limits: { timeoutMs: 300_000, maxAttempts: 2 },
};

/** Prints more than 20 KB, which the agent then puts on its standard output once more. */
const compare =
  `node -e "import('./src/price.js').then(({ price }) => { for (let cents = 0; cents < 500; cents++) ` +
  `console.log('price(' + cents + ') is ' + price(cents) + ', an invoice needs ' + (cents / 100).toFixed(2)) })"`;

/** The model calls that wait until the demo lets them go. */
export const holds = { whileKilled: 'while the daemon is killed', untilAdopted: 'until the agent is adopted' } as const;

/** The conversation: two attempts in one session. Paths are relative because nobody knows the worktree's yet. */
export function script(seed: number): Step[] {
  const steps: Omit<Step, 'usage'>[] = [
    {
      text: 'I will read the test and the code.',
      tools: [
        { name: 'Read', input: { file_path: test } },
        { name: 'Read', input: { file_path: source } },
      ],
    },
    {
      text: 'The price is not rounded.',
      tools: [
        {
          name: 'Edit',
          input: { file_path: source, old_string: "return n + '';", new_string: 'return String(Math.round(n * 100) / 100);' },
        },
      ],
    },
    { text: 'Fixed, all tests pass.' },
    {
      text: 'I claimed that without running it. Now I do.',
      tools: [
        { name: 'Bash', input: { command: 'npm test' } },
        { name: 'Read', input: { file_path: source } },
      ],
    },
    {
      hold: holds.whileKilled,
      text: 'A zero is missing. I compare all prices up to 5.00.',
      tools: [{ name: 'Bash', input: { command: compare, description: 'Compare prices with what invoices need' } }],
    },
    {
      hold: holds.untilAdopted,
      text: 'Every price that ends in 0 loses it.',
      tools: [
        {
          name: 'Edit',
          input: { file_path: source, old_string: 'return String(Math.round(n * 100) / 100);', new_string: 'return n.toFixed(2);' },
        },
      ],
    },
    { text: 'And now the tests.', tools: [{ name: 'Bash', input: { command: 'npm test' } }] },
    { text: 'price() now shows two decimals always: 12.50 instead of 12.5. npm test passes.' },
  ];
  const usage = seededUsage(seed, steps.length);
  // A model takes its time, and a person wants to see what happens.
  return steps.map((step, index) => ({ ...step, usage: usage[index] ?? { input_tokens: 1, output_tokens: 1 }, delayMs: 350 }));
}
