import type { Heartbeat, TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { happened, start } from './events.testsuite.ts';
import { Progress } from './progress.ts';
import { Screen } from './screen.ts';
import { FakeTerminal, plain, wide } from './terminal.testsuite.ts';

const usage = (uncachedInputTokens: number, outputTokens: number, cacheReadInputTokens?: number) =>
  ({
    uncachedInputTokens,
    outputTokens,
    ...(cacheReadInputTokens === undefined ? {} : { cacheReadInputTokens }),
    lowerBound: false,
  }) as const;

/** An agent that is wrong first: what the demo shows. */
const story: readonly TaskEvent[] = [
  happened(0, 'created', { title: 'mend it' }),
  happened(0.1, 'workspace_opened', { mode: 'worktree', path: '/state/worktrees/t/w', uncommittedFiles: 3 }),
  happened(0.1, 'setup_started', { command: 'npm ci' }),
  happened(1.1, 'setup_finished', { command: 'npm ci', exitCode: 0, durationMs: 1_000 }),
  happened(1.1, 'attempt_started', { harness: 'claude_code', requestedModel: 'sonnet', resumed: false }, 1),
  happened(2, 'model_call_finished', { callId: 'a', usage: usage(2_014, 80, 16_000), costUsdMicros: 31_000 }, 1),
  happened(2.1, 'tool_started', { callId: 'x', name: 'Edit', summary: '/state/worktrees/t/w/src/price.js' }, 1),
  happened(3, 'text', { text: 'Fixed, \u001b[31mall\u001b[0m tests pass.' }, 1),
  happened(5.2, 'attempt_ended', { state: 'ended', exitCode: 0 }, 1),
  happened(5.3, 'gate_started', { name: 'test' }, 1),
  happened(
    5.7,
    'gate_finished',
    {
      name: 'test',
      status: 'failed',
      required: true,
      exitCode: 1,
      durationMs: 400,
      outputTail: 'running\nprice.test.js: expected 12.50, got 12.5\n',
    },
    1,
  ),
  happened(5.7, 'state_changed', { edge: 'rework', message: 'gate test failed' }),
  happened(5.8, 'attempt_started', { harness: 'claude_code', resumed: true }, 2),
  happened(6.5, 'adopted', {}, 2),
  happened(7, 'attempt_ended', { state: 'ended', exitCode: 0 }, 2),
  happened(7.1, 'gate_started', { name: 'test' }, 2),
  happened(7.5, 'gate_finished', { name: 'test', status: 'passed', required: true, exitCode: 0, durationMs: 400 }, 2),
];

test('the story of a task, told without motion', () => {
  const terminal = new FakeTerminal();
  const progress = new Progress(new Screen(terminal, plain));
  for (const event of story) progress.apply(event);
  progress.close();
  expect(terminal.lines).toEqual([
    '  ! workspace   worktree from HEAD; 3 uncommitted files are not in it',
    '  ● setup       npm ci',
    '  ✓ setup       npm ci · in 1.0 s',
    '  ● attempt 1   claude_code · sonnet',
    '  ● attempt 1   ended · turn 1 · 18.1k tokens · $0.0310  4.1 s',
    '                the agent says: "Fixed, all tests pass."',
    '  ● gate test   runs',
    '  ✗ gate test   exit 1 in 0.4 s · price.test.js: expected 12.50, got 12.5',
    '  ↻ rework      sent back with the findings · gate test failed',
    '  ● attempt 2   same session · claude_code',
    '  ✓ adopted     by a daemon that was started again · the same attempt',
    '  ● attempt 2   ended  1.2 s',
    '  ● gate test   runs',
    '  ✓ gate test   passed in 0.4 s',
  ]);
});

test('on a terminal a running attempt says what it does now', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  const progress = new Progress(screen, { now: () => start + 4_100 });
  for (const event of story.slice(0, 8)) progress.apply(event);
  progress.row({ mark: 'warning', label: 'kill -9', text: 'daemon 4711 is gone' });
  expect(terminal.lines.slice(2)).toEqual([
    '  ● attempt 1   turn 1 · Edit src/price.js · 18.1k tokens · $0.0310                            3.0 s',
    '                the agent says: "Fixed, all tests pass."',
    '  ! kill -9     daemon 4711 is gone',
  ]);
  for (const event of story.slice(8)) progress.apply(event);
  expect(terminal.lines.slice(2, 5)).toEqual([
    '  ● attempt 1   ended · turn 1 · 18.1k tokens · $0.0310                                        4.1 s',
    '                the agent says: "Fixed, all tests pass."',
    '  ! kill -9     daemon 4711 is gone',
  ]);
  screen.close();
});

function attemptLine(...events: readonly TaskEvent[]): string {
  const terminal = new FakeTerminal();
  const progress = new Progress(new Screen(terminal, plain));
  progress.apply(happened(0, 'attempt_started', { harness: 'x', resumed: false }, 1));
  for (const event of events) progress.apply(event);
  progress.apply(happened(1, 'attempt_ended', { state: 'ended' }, 1));
  return terminal.lines.find((line) => line.includes('ended')) ?? '';
}

test('usage: totals replace the preview, a call that comes again replaces itself, sub-agents are no turns', () => {
  const call = (callId: string, tokens: number, subagentId?: string) =>
    happened(0, 'model_call_finished', { callId, usage: usage(tokens, 0), ...(subagentId === undefined ? {} : { subagentId }) }, 1);
  expect(attemptLine(call('a', 100), call('a', 150), call('b', 50))).toContain('turn 2 · 200 tokens');
  expect(attemptLine(call('a', 100), call('b', 50, 'sub'))).toContain('turn 1 · 150 tokens');
  const total = happened(0, 'usage_total', { byModel: [{ usage: usage(400, 20), costUsdMicros: 48_200 }], contextWindowTokens: 1_000 }, 1);
  expect(attemptLine(call('a', 100), total)).toContain('turn 1 · 420 tokens · $0.0482 · context ▁ 10 %');
  expect(attemptLine(call('a', 100), total, call('b', 90))).toContain('turn 2 · 510 tokens');
});

test('what the session’s files correct is told with both figures', () => {
  const told = { outputTokens: 20, uncachedInputTokens: 3_000, cacheWriteInputTokens: 10, cacheWrite1hInputTokens: 10, lowerBound: true };
  const corrected = { ...told, outputTokens: 520, lowerBound: false };
  const terminal = new FakeTerminal();
  const progress = new Progress(new Screen(terminal, plain));
  progress.apply(happened(1, 'usage_corrected', { told, corrected, callsTold: 1, callsFound: 2 }, 1));
  progress.apply(happened(2, 'usage_corrected', { corrected, callsTold: 0, callsFound: 2 }, 2));
  expect(terminal.lines).toEqual([
    "    usage       the session's files tell 3,530 tokens in 2 calls; the harness had told ≥ 3,030 tokens in 1 call",
    "    usage       the session's files tell 3,530 tokens in 2 calls; the harness had told nothing",
  ]);
});

test('what is not known is not told', () => {
  expect(attemptLine()).toBe('  ● attempt 1   ended  1.0 s');
  expect(attemptLine(happened(0, 'model_call_finished', { callId: 'a' }, 1))).toContain('ended · turn 1  1.0 s');
});

test.each<[string, TaskEvent, string[]]>([
  ['in place', happened(0, 'workspace_opened', { mode: 'in_place', path: '/x', uncommittedFiles: 3 }), []],
  ['a clean repository', happened(0, 'workspace_opened', { mode: 'worktree', path: '/x', uncommittedFiles: 0 }), []],
  [
    'one file',
    happened(0, 'workspace_opened', { mode: 'clone', path: '/x', uncommittedFiles: 1 }),
    ['  ! workspace   clone from HEAD; 1 uncommitted file is not in it'],
  ],
  [
    'a setup that failed',
    happened(0, 'setup_finished', { command: 'npm ci', exitCode: 127, durationMs: 100, outputTail: 'sh: npm: not found\n' }),
    ['  ✗ setup       npm ci · exit 127 · in 0.1 s', '                sh: npm: not found'],
  ],
  [
    'a gate that could not run',
    happened(0, 'gate_finished', {
      name: 'test',
      status: 'errored',
      required: true,
      message: 'node_modules is missing',
      hint: '--setup "npm ci"',
    }),
    ['  ✗ gate test   could not run · node_modules is missing', '                --setup "npm ci"'],
  ],
  [
    'an optional gate',
    happened(0, 'gate_finished', { name: 'lint', status: 'failed', required: false, exitCode: 2 }),
    ['  ◐ gate lint   exit 2 · optional'],
  ],
  [
    'a gate ended by a signal',
    happened(0, 'gate_finished', { name: 'a', status: 'failed', required: true, signal: 'SIGSEGV' }),
    ['  ✗ gate a      ended by SIGSEGV'],
  ],
  [
    'a block',
    happened(0, 'state_changed', { edge: 'block', reason: 'quota_exhausted', message: 'quota is used up' }),
    ['  ‖ blocked     quota_exhausted · quota is used up'],
  ],
  [
    'a block that a person ends',
    happened(0, 'state_changed', { edge: 'block', reason: 'unauthenticated', message: 'log in' }),
    ['  ? blocked     unauthenticated · log in'],
  ],
  [
    'a retry',
    happened(0, 'state_changed', { edge: 'retry', reason: 'rate_limited', notBefore: new Date(start + 5_000) }),
    ['  ↻ retry       rate_limited · next attempt in 5.0 s'],
  ],
  [
    'a stop',
    happened(0, 'stop_requested', { kind: 'cancel', by: 'ada', why: 'not needed' }),
    ['  ⊘ cancel      asked for by ada · not needed'],
  ],
  ['what says nothing to a person', happened(0, 'output_recorded', { source: 'stdout', fromOffset: 0, toOffset: 9 }), []],
])('%s', (_, event, lines) => {
  const terminal = new FakeTerminal();
  new Progress(new Screen(terminal, plain)).apply(event);
  expect(terminal.lines.filter(Boolean)).toEqual(lines);
});

test('without motion a model that is asked again says why, once for each reason and attempt', () => {
  const terminal = new FakeTerminal();
  const progress = new Progress(new Screen(terminal, plain));
  const retried = (message: string, status?: number) => happened(1, 'model_retried', { message, status }, 1);
  progress.apply(happened(0, 'attempt_started', { harness: 'x', resumed: false }, 1));
  for (let time = 0; time < 3; time++) progress.apply(retried('authentication failed', 401));
  progress.apply(retried('overloaded: 529', 529));
  progress.apply(happened(2, 'attempt_started', { harness: 'x', resumed: false }, 2));
  progress.apply(retried('overloaded: 529', 529));
  expect(terminal.lines.filter((line) => line.includes('model'))).toEqual([
    '  ! model       asks again: authentication failed (401)',
    '  ! model       asks again: overloaded: 529',
    '  ! model       asks again: overloaded: 529',
  ]);
});

test('on a terminal the row of the attempt says that the model is asked again', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  const progress = new Progress(screen, { now: () => start });
  progress.apply(happened(0, 'attempt_started', { harness: 'x', resumed: false }, 1));
  progress.apply(happened(1, 'model_retried', { message: 'overloaded' }, 1));
  progress.row({ label: 'next' });
  expect(terminal.lines).toHaveLength(2);
  expect(terminal.lines[0]).toContain('asks the model again: overloaded');
  screen.close();
});

test('a wait says why and for how long, once, and is over with the next event', () => {
  const terminal = new FakeTerminal();
  const progress = new Progress(new Screen(terminal, plain), { of: '#2', now: () => start });
  const waiting = { waitingFor: 'limit', tasksAhead: 2, message: 'harness limit 2/2', until: new Date(start + 240_000) } as NonNullable<
    Heartbeat['waiting']
  >;
  progress.waiting({ waiting });
  progress.waiting({ waiting });
  progress.waiting({ waiting: { ...waiting, tasksAhead: 1 } });
  progress.waiting({});
  expect(terminal.lines).toEqual([
    '  #2   waiting     2 ahead · harness limit 2/2 · about 4 min',
    '  #2   waiting     1 ahead · harness limit 2/2 · about 4 min',
  ]);
});
