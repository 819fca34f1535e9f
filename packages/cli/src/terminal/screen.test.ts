import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Screen } from './screen.ts';
import { FakeTerminal, plain, wide } from './terminal.testsuite.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('an open row is painted again in its place, with what came below it', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  screen.row({ label: 'first' });
  let turn = 1;
  const attempt = screen.open({ label: 'attempt 1' }, () => ({ label: 'attempt 1', text: `turn ${turn}` }));
  screen.row({ label: 'below' });
  expect(terminal.lines).toEqual(['    first', '    attempt 1   turn 1', '    below']);
  turn = 2;
  vi.advanceTimersByTime(200);
  expect(terminal.lines).toEqual(['    first', '    attempt 1   turn 2', '    below']);
  attempt.settle({ label: 'attempt 1', text: 'ended', details: ['said something'] });
  screen.row({ label: 'last' });
  expect(terminal.lines).toEqual(['    first', '    attempt 1   ended', '                said something', '    below', '    last']);
  expect(vi.getTimerCount()).toBe(0);
});

test('updates are seen at the next repaint; a row that is settled without a word keeps its last', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  const row = screen.open({ label: 'waiting', text: '2 ahead' });
  row.update({ label: 'waiting', text: '1 ahead' });
  row.settle();
  expect(terminal.lines).toEqual(['    waiting     1 ahead']);
});

test('a window that became narrower is respected', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  screen.open({ label: 'x', text: 'y'.repeat(60) });
  terminal.columns = 40;
  vi.advanceTimersByTime(200);
  expect(terminal.lines.at(-1)).toHaveLength(40);
  screen.close();
});

test('what is taller than the terminal is shown from below', () => {
  const terminal = new FakeTerminal(100);
  const screen = new Screen(terminal, wide);
  for (let at = 1; at <= 60; at++) screen.open({ label: `task ${at}` });
  vi.advanceTimersByTime(200);
  expect(terminal.lines.at(-1)).toBe('    task 60');
  screen.close();
  expect(terminal.lines.slice(-60).map((line) => line.trim())).toEqual(Array.from({ length: 60 }, (_, at) => `task ${at + 1}`));
});

test('without motion a row is a line when it begins, and one when it ends with something new', () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal, plain);
  const gate = screen.open({ label: 'gate test', text: 'runs' }, () => ({ label: 'gate test', text: 'runs', note: 'never seen' }));
  gate.update({ label: 'gate test', text: 'never seen' });
  gate.settle({ label: 'gate test', text: 'passed' });
  gate.settle({ label: 'gate test', text: 'never seen' });
  screen.open({ label: 'same' }).settle({ label: 'same' });
  screen.open({ label: 'left' }).settle();
  screen.close();
  expect(terminal.lines).toEqual(['    gate test   runs', '    gate test   passed', '    same', '    left']);
  expect(vi.getTimerCount()).toBe(0);
});

test('a terminal that says 0 by 0 has not said its size', () => {
  const terminal = new FakeTerminal(0);
  const screen = new Screen(terminal, wide);
  screen.open({ label: 'x', text: 'y'.repeat(60) });
  expect(terminal.lines.at(-1)).toContain('y'.repeat(60));
  screen.close();
});
