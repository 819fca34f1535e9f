import { objectOf } from '@singletree/harness';
import { conformanceSuite } from '@singletree/harness/testing';
import type { Fixture } from '@singletree/harness/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';
import fake, { cumulativeFake } from './plugin.ts';

/** What the fake agent printed. With `--cumulative`, after a session that had used 100 and 7. */
function recording(cumulative: boolean): Fixture {
  const usage = (input: number, output: number): object => (cumulative ? { input: 100 + input, output: 7 + output } : { input, output });
  const lines = [
    { type: 'session', session: 's1', model: 'fake-1', version: '1.0.0' },
    { type: 'text', text: 'Ich prüfe 🐎.' },
    { type: 'call', id: 'call-1', model: 'fake-1', usage: usage(40, 3), costUsd: 0.001 },
    { type: 'tool_started', id: 'tool-1', tool: 'Write', summary: 'a.txt' },
    { type: 'file', path: 'a.txt', change: 'added' },
    { type: 'tool_finished', id: 'tool-1', tool: 'Write', failed: false, output: '' },
    { type: 'compaction', before: 50, after: 5 },
    { type: 'call', id: 'call-2', model: 'fake-1', usage: cumulative ? usage(42, 8) : usage(2, 5), costUsd: 0.002 },
    { type: 'result', isError: false, message: 'done' },
  ];
  return {
    name: cumulative ? 'resumed, running totals' : 'edit',
    cliVersion: '1.0.0',
    stdout: Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')),
    ...(cumulative ? { baseline: { version: 1, data: { bytes: 10, total: { input: 100, output: 7 } } } } : {}),
    expected: {
      sessionId: 's1',
      turns: 2,
      total: { uncachedInputTokens: 42, cacheReadInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 8, reasoningOutputTokens: 0 },
      costUsdMicros: 3000,
      compactions: 1,
    },
  };
}

/** It was killed after its second call: its own file, which begins with what the session had used before, knows of it. */
function killed(cumulative: boolean): Fixture {
  const { stdout, expected, ...rest } = recording(cumulative);
  const lines = Buffer.from(stdout).toString('utf8').split('\n');
  const call = (id: string, input: number, output: number): string =>
    `${JSON.stringify({ type: 'call', id, model: 'fake-1', usage: { input, output }, costUsd: 0.001 })}\n`;
  const before = cumulative ? call('call-0', 100, 7) : '';
  const bytes = Buffer.from(before + call('call-1', 40, 3) + call('call-2', 2, 5));
  return {
    ...rest,
    name: 'killed',
    stdout: Buffer.from(lines.slice(0, 3).join('\n') + '\n'),
    ...(cumulative ? { baseline: { version: 1, data: { bytes: before.length, total: { input: 100, output: 7 } } } } : {}),
    expected: {},
    session: {
      id: 's1',
      files: [{ path: '.fake-agent/s1.jsonl', bytes }],
      expected: { total: expected['total'], turns: 2, provenance: 'recovered', lowerBound: false, costUsdMicros: 2000 },
    },
  };
}

describe.each([fake, cumulativeFake])('$harnessId', (harness) => {
  // The suite builds its settings from the schema alone; a script is the one option that has no default.
  const options = z.preprocess((given) => ({ script: '/script.json', ...objectOf(given) }), harness.options);
  const cases = conformanceSuite({ ...harness, options }, [recording(harness === cumulativeFake), killed(harness === cumulativeFake)], {
    versionOutput: (version) => `fake-agent ${version}`,
    leavesOutZeros: true,
  });
  test.each([...cases])('$rule: $name', async (one) => {
    await one.run();
  });
});
