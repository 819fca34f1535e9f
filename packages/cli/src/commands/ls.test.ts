import type { Task } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { plain, wide } from '../terminal/terminal.testsuite.ts';
import { widthOf } from '../terminal/text.ts';
import { listLines } from './ls.ts';

/** Half past one wherever the test runs. */
const now = new Date(2026, 10, 21, 13, 30).getTime();
const later = new Date(2026, 10, 21, 18, 5);

function task(id: string, fields: object): Task {
  const made: unknown = {
    id,
    title: `task ${id}`,
    harness: 'codex',
    state: 'created',
    attempts: [],
    createdAt: new Date(now - 120_000),
    ...fields,
  };
  return made as Task;
}

const ended = (outcome: string, reason?: string) => ({
  completedAt: new Date(now - 60_000),
  completion: { outcome, ...(reason === undefined ? {} : { failure: { reason } }) },
});

const tasks = [
  task('0199c1d4-7f3a-7000', {
    state: 'in_progress',
    title: 'a\u001b[31mb',
    attempts: [{ number: 2, turns: 3, contextUtilization: 0.09 }],
    tokensPerTask: 18_234,
    costPerTaskUsdMicros: 31_000,
  }),
  task('0199c1d4-7f3a-7001', { state: 'in_review', attempts: [{ number: 1 }], harness: 'claude_code' }),
  task('0199c1d5-0000-7000', { waiting: { waitingFor: 'limit', tasksAhead: 2, message: 'harness limit 2/2' } }),
  task('0199c1d6-0000-7000', {
    state: 'blocked',
    blocked: { reason: 'unauthenticated', message: 'log in to codex' },
    attempts: [{ number: 1 }],
  }),
  task('0199c1d7-0000-7000', { state: 'blocked', blocked: { reason: 'quota_exhausted', message: 'quota', until: later } }),
  task('0199c1d8-0000-7000', { state: 'failed', ...ended('timeout', 'stalled'), attempts: [{ number: 1 }] }),
  task('0199c1d9-0000-7000', { state: 'cancelled', ...ended('failure', 'cancelled') }),
];

test('by what a person has to do; ids as long as they must be', () => {
  expect(listLines(tasks, plain, now)).toEqual([
    '  NEEDS YOU',
    '  id                  title                    harness      now                                               tokens     cost  context    age',
    '  0199c1d6-0000-7000  task 0199c1d6-0000-7000  codex        ? unauthenticated · log in to codex                             –           2 min',
    '  0199c1d7-0000-7000  task 0199c1d7-0000-7000  codex        ‖ quota_exhausted · tries again at 18:05 · quota                            2 min',
    '',
    '  RUNNING',
    '  0199c1d4-7f3a-7000  ab                       codex        ● attempt 2, turn 3                                18.2k  $0.0310    ▁ 9 %  2 min',
    '  0199c1d4-7f3a-7001  task 0199c1d4-7f3a-7001  claude_code  ● gates                                                         –           2 min',
    '',
    '  WAITING',
    '  0199c1d5-0000-7000  task 0199c1d5-0000-7000  codex        2 ahead · harness limit 2/2                                                 2 min',
    '',
    '  DONE TODAY',
    '  0199c1d8-0000-7000  task 0199c1d8-0000-7000  codex        ⏱ stalled                                                       –           1 min',
    '  0199c1d9-0000-7000  task 0199c1d9-0000-7000  codex        ⊘ cancelled                                                                 1 min',
  ]);
});

test('on a narrow terminal the title is cut before what it does, and the columns that say least are left out', () => {
  const lines = listLines(tasks, { ...wide, width: 95 }, now);
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(95);
  expect(lines[6]).toBe('  0199c1d4-7f3a-7000  ab              codex        ● attempt 2, turn 3    18.2k  $0.0310  2 min');
});

test.each([80, 60])('nothing is wrapped at %d columns', (width) => {
  const ended = task('0199c1da-0000-7000', {
    state: 'failed',
    title: 'make the failing test pass, then write down why it failed',
    harness: 'claude_code',
    completedAt: new Date(now - 60_000),
    completion: { outcome: 'failure', failure: { reason: 'harness_failed' } },
    attempts: [{ number: 1, contextUtilization: 0.07 }],
    tokensPerTask: 18_234,
    costPerTaskUsdMicros: 31_000,
  });
  for (const line of listLines([...tasks, ended], { ...wide, width }, now)) expect(widthOf(line)).toBeLessThanOrEqual(width);
  const [, heads = '', line = ''] = listLines([ended], { ...wide, width }, now);
  expect(line).toContain('✗ harness_failed');
  expect(line).toContain('  make the f');
  expect(heads).not.toContain('context');
});

test('a finished task says of sums that they are not all', () => {
  const spent = { tokensPerTask: 18_234, costPerTaskUsdMicros: 31_000, costLowerBound: true, usage: { lowerBound: true } };
  const completion = { outcome: 'failure', failure: { reason: 'lost' } };
  const ended = task('0199c1da-0000-7000', { state: 'failed', completedAt: new Date(now), completion, ...spent });
  expect(listLines([ended], plain, now)[2]).toMatch(/✗ lost +≥ 18\.2k +≥ \$0\.0310 /);
  const running = task('0199c1da-0000-7000', { state: 'in_progress', ...spent });
  expect(listLines([running], plain, now)[2]).not.toContain('≥');
});

test('a column that is empty everywhere is left out', () => {
  expect(listLines([tasks[2]!], plain, now)[1]).toBe(
    '  id             title                    harness  now                            age',
  );
});

test('nothing to show is no line', () => expect(listLines([], plain, now)).toEqual([]));
