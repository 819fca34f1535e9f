import type { GateResult, Task, TaskCompletionEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { completionLines, completionRow } from './completion.ts';
import { headline } from './gate.ts';
import { linesOf } from './row.ts';
import { plain } from './terminal.testsuite.ts';

const done = {
  outcome: 'success',
  createdAt: new Date(0),
  completedAt: new Date(13_000),
  taskDurationMs: 12_900,
  attemptCount: 2,
  tokensPerTask: 31_022,
  actualCostUsdMicros: 48_231,
  costLowerBound: false,
  qualityGatesRun: ['test'],
  artifacts: [],
} as unknown as TaskCompletionEvent;

const failed = (reason: string, message = 'why') => ({ reason, message }) as NonNullable<TaskCompletionEvent['failure']>;

type Fields = { readonly [K in keyof TaskCompletionEvent]?: TaskCompletionEvent[K] | undefined };

test.each<[string, Fields, string]>([
  ['success', {}, '  ✓ completed   success · 12.9 s · 2 attempts · 31.0k tokens · $0.0482'],
  ['an optional gate was red', { outcome: 'partial' }, '  ◐ completed   partial · 12.9 s · 2 attempts · 31.0k tokens · $0.0482'],
  [
    'required gates stayed red',
    { outcome: 'partial', failure: failed('gate_failed') },
    '  ◐ failed      partial · gate_failed · 12.9 s · 2 attempts · 31.0k tokens · $0.0482',
  ],
  [
    'failure',
    { outcome: 'failure', failure: failed('stalled') },
    '  ✗ failed      failure · stalled · 12.9 s · 2 attempts · 31.0k tokens · $0.0482',
  ],
  ['timeout', { outcome: 'timeout', failure: failed('timeout') }, '  ⏱ failed      timeout · 12.9 s · 2 attempts · 31.0k tokens · $0.0482'],
  [
    'cancelled',
    { outcome: 'failure', failure: failed('cancelled') },
    '  ⊘ cancelled   failure · 12.9 s · 2 attempts · 31.0k tokens · $0.0482',
  ],
  [
    'a price that is not known',
    { actualCostUsdMicros: undefined },
    '  ✓ completed   success · 12.9 s · 2 attempts · 31.0k tokens · cost – (the harness told no price)',
  ],
  [
    'no usage',
    { actualCostUsdMicros: undefined, tokensPerTask: undefined },
    '  ✓ completed   success · 12.9 s · 2 attempts · cost – (the harness told no usage)',
  ],
  [
    'a part is not known',
    { costLowerBound: true, usage: { lowerBound: true } },
    '  ✓ completed   success · 12.9 s · 2 attempts · ≥ 31.0k tokens · ≥ $0.0482',
  ],
  ['declared free', { actualCostUsdMicros: 0, attemptCount: 1 }, '  ✓ completed   success · 12.9 s · 1 attempt · 31.0k tokens · $0'],
  [
    'never started',
    {
      outcome: 'failure',
      failure: failed('harness_missing'),
      attemptCount: 0,
      taskDurationMs: undefined,
      tokensPerTask: undefined,
      actualCostUsdMicros: undefined,
    },
    '  ✗ failed      failure · harness_missing · 13.0 s',
  ],
])('%s', (_, fields, line) => {
  expect(linesOf(completionRow({ ...done, ...fields } as TaskCompletionEvent), plain)).toEqual([line]);
});

const gate = (attempt: number, name: string, status: GateResult['status'], more: Partial<GateResult> = {}) =>
  ({ attempt, name, status, required: true, kind: 'test', changedTree: false, ...more }) as GateResult;

test('what failed comes in full, only of the last attempt; what passed is folded', () => {
  const gateResults = [
    gate(1, 'test', 'failed', { outputTail: 'old' }),
    gate(2, 'lint', 'passed', { outputTail: 'not shown' }),
    gate(2, 'test', 'failed', { exitCode: 1, outputTail: 'not ok 1\n\u001b[31mexpected 12.50\u001b[0m\n' }),
  ];
  const event = {
    ...done,
    outcome: 'partial',
    failure: failed('gate_failed', 'gate test failed'),
    summary: 'All good.',
    filesChanged: 3,
    linesAdded: 1_200,
    linesRemoved: 1,
    frozenRef: 'refs/singletree/t/2',
    artifacts: [
      { kind: 'file_created', path: 'a.js', linesAdded: 1_199 },
      { kind: 'file_deleted', path: 'longer.js', linesRemoved: 1 },
      { kind: 'diff' },
    ],
  } as unknown as TaskCompletionEvent;
  expect(completionLines(event, { gateResults } as unknown as Task, plain)).toEqual([
    '',
    '  gate test exit 1',
    '    not ok 1',
    '    expected 12.50',
    '',
    '  gate_failed  gate test failed',
    '',
    '  the agent says: All good.',
    '',
    '  a.js       new  +1,199',
    '  longer.js  deleted  −1',
    '  … and 1 more',
    '  3 files changed · 1,200 lines added · 1 removed · refs/singletree/t/2',
  ]);
});

test('a success that no gate has checked says so; others do not', () => {
  const lines = (fields: Fields): string => completionLines({ ...done, ...fields } as TaskCompletionEvent, none, plain).join();
  const none = { gateResults: [] } as unknown as Task;
  expect(lines({ qualityGatesRun: [] })).toContain('  no gates: nothing was checked but that the agent ended well');
  expect(lines({ qualityGatesRun: [], outcome: 'failure', failure: failed('stalled') })).not.toContain('no gates');
  expect(lines({})).not.toContain('no gates');
});

test('long output is cut at its beginning, and says so', () => {
  const outputTail = Array.from({ length: 50 }, (_, at) => `line ${at + 1}`).join('\n');
  const lines = completionLines(done, { gateResults: [gate(1, 'test', 'failed', { exitCode: 1, outputTail })] } as unknown as Task, plain);
  expect(lines.slice(1, 4)).toEqual(['  gate test exit 1', '    (20 earlier lines)', '    line 21']);
  expect(lines.at(-1)).toBe('    line 50');
});

test.each([
  ['TAP version 13\n# Subtest: price\nnot ok 1 - price\n# fail 1\n', 'not ok 1 - price'],
  ['> shop@1.0.0 test\n\nprice.test.js: expected 12.50, got 12.5\n', 'price.test.js: expected 12.50, got 12.5'],
  ['first\nlast words\n---\n', 'last words'],
  ['', ''],
])('the line that says most', (output, line) => expect(headline(output)).toBe(line));
