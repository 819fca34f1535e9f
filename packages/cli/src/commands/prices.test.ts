import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { typed } from '../typed.testsuite.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(async () => await folder[Symbol.asyncDispose]());

const type = async (...argv: string[]) => await typed(['prices', ...argv], { cwd: folder.path, env: { HOME: folder.path } });

test('a price by kind and tier, with its unit, its window and where it is from', async () => {
  expect(await type('claude-sonnet-4-5-20250929', '--at', '2026-11-21')).toEqual({
    code: 0,
    stderr: '',
    stdout: `\
  model            claude-sonnet-4-5-20250929 · claude-sonnet-4-5
  provider         anthropic
  context window   200,000 tokens
  from             genai-prices 0.1.8
  price            US dollars per million tokens, on 2026-11-21

                           up to 200,000  above 200,000
  input                               $3             $6
  cache reads                       $0.3           $0.6
  cache writes, 5 minutes          $3.75           $7.5
  cache writes, 1 hour                $6            $12
  output and reasoning               $15          $22.5
  by the prompt tokens of the single call, cache reads and writes among them
`,
  });
});

test('a kind without a rate is told', async () => {
  const { stdout, stderr } = await type('gpt-5-pro');
  expect(stdout).toContain('each call');
  expect(stderr).toBe(
    '  no rate for cache reads, cache writes, 5 minutes, cache writes, 1 hour: what a call costs that uses these is unknown\n',
  );
});

test('for programs', async () => {
  const { code, stdout } = await type('openai/gpt-5.6', '--at', '2026-08-01', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    model: 'openai/gpt-5.6',
    provider: 'openai',
    listed_as: 'gpt-5.6-sol',
    at: '2026-08-01T00:00:00.000Z',
    price: 'rates',
    version: 'genai-prices 0.1.8',
    context_window_tokens: 1_050_000,
    unit: 'usd_per_million_tokens',
    rates: [
      { kind: 'input', rate: 5, tiers: [{ above_prompt_tokens: 271_999, rate: 10 }] },
      { kind: 'cache_read', rate: 0.5 },
      { kind: 'cache_write', rate: 6.25 },
      { kind: 'output', rate: 30 },
    ],
  });
});

test.each([
  ['claude-sonet-4-5', ['claude-sonnet-4-5']],
  ['opus', ['claude-opus-5-5', 'claude-opus-5']],
  ['gpt-5.5-something', ['gpt-5.5']],
  ['openrouter/anthropic/claude-sonet-4.5', ['anthropic/claude-sonnet-4.5']],
])('an unknown one, %s, with the nearest known names and what to write down', async (model, near) => {
  const { code, stdout } = await type(model);
  expect(code).toBe(1);
  expect(stdout).toContain(`no price is known for "${model}"\n  near it: `);
  for (const name of near) expect(stdout).toContain(name);
  expect(stdout).toContain(`    prices: { ${model}: free }\n`);
  const json = await type(model, '--json');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({
    price: 'unknown',
    why: `no price is known for "${model}"`,
    nearest: expect.arrayContaining(near),
  });
});

test('nothing is near what nobody has heard of', async () => {
  const { code, stdout } = await type('xyzzy-quux-9000', '--provider', 'nobody');
  expect([code, stdout.split('\n')[0]]).toEqual([1, 'no price is known for "xyzzy-quux-9000" of "nobody"']);
  expect(stdout).not.toContain('near it');
});

test('what is written down as it says is the price of that model of that provider', async () => {
  const asked = ['gpt-5.6', '--provider', 'nobody'];
  const { stdout } = await type(...asked);
  const [, said = ''] = /^ +(prices: \{ nobody\/gpt-5\.6: free \})$/m.exec(stdout) ?? [];
  const file = join(folder.path, 'said.yaml');
  writeFileSync(file, `${said}\n`);
  expect(await type(...asked, '--config', file)).toMatchObject({ code: 0, stdout: expect.stringContaining('nobody/gpt-5.6') });
});

test('prices of your own, with the key that says them', async () => {
  const file = join(folder.path, 'own.yaml');
  writeFileSync(file, 'prices:\n  mine: { input: 1, output: 2, tiers: [{ above: 1000, input: 3 }] }\n  ollama/*: free\n');
  const mine = await type('mine', '--config', file);
  expect(mine.code).toBe(0);
  expect(mine.stdout).toContain(`from    prices.mine in ${file}\n`);
  expect(mine.stdout).toMatch(/up to 1,000 +above 1,000\n +input +\$1 +\$3\n +output and reasoning +\$2 +\$2\n/);
  const free = await type('ollama/llama3', '--config', file, '--json');
  expect(JSON.parse(free.stdout)).toMatchObject({
    price: 'free',
    version: 'configuration',
    configured_by: { file, key: 'prices.ollama/*' },
    rates: [],
  });
});

test.each([
  [[], 'error: which model is missing\n  singletree prices claude-sonnet-4-5\n', 2],
  [['m', '--at', 'yesterday'], 'error: --at "yesterday" is not a time\n', 2],
  [['m', '--at', '2026-13-01'], 'error: --at "2026-13-01" is not a time\n', 2],
  [['m', '--config', 'none.yaml'], 'error: cannot read the configuration file', 78],
])('%j is refused', async (argv, text, code) => {
  const said = await type(...argv);
  expect(said.stderr).toContain(text);
  expect(said.code).toBe(code);
  expect(said.stdout).toBe('');
});
