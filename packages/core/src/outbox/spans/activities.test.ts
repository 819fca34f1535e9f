import { expect, test } from 'vitest';
import type { TaskEvent } from '../../task/events.ts';
import type { LedgerEntry } from '../../task/ledger.ts';
import { modelCallsOf, toolsOf } from './activities.ts';

function told(at: number, event: object, attempt = 1): TaskEvent {
  return { sequence: at, at, body: { kind: 'harness', attempt, event: { kind: '', source: 'stdout', endsAt: at, ...event } } };
}
const begin = (at: number, toolId: string, thread: object | string = 'main', attempt = 1): TaskEvent =>
  told(at, { kind: 'tool.started', toolId, tool: `Tool ${toolId}`, thread }, attempt);
const end = (at: number, toolId: string, failed = false, attempt = 1): TaskEvent =>
  told(at, { kind: 'tool.finished', toolId, failed, thread: 'main' }, attempt);

test('a tool lasts from its beginning to its result, whatever lies between; ids are those of an attempt', () => {
  const events = [
    begin(1, 'a'),
    begin(2, 'b', { subagent: 's' }),
    end(5, 'b', true),
    end(9, 'a'),
    begin(20, 'a', 'main', 2),
    end(21, 'a', false, 2),
  ];
  expect(toolsOf(events)).toEqual([
    { attempt: 1, thread: 'main', id: 'a', name: 'Tool a', failed: false, from: 1, to: 9 },
    { attempt: 1, thread: 's', id: 'b', name: 'Tool b', failed: true, from: 2, to: 5 },
    { attempt: 2, thread: 'main', id: 'a', name: 'Tool a', failed: false, from: 20, to: 21 },
  ]);
});

test('of a tool without a result it is not said how it went; a result without a beginning is none', () => {
  expect(toolsOf([end(1, 'x'), begin(2, 'a')])).toEqual([{ attempt: 1, thread: 'main', id: 'a', name: 'Tool a', from: 2, to: 2 }]);
});

const call = (at: number | undefined, more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  attempt: 1,
  callId: `c${at}`,
  provenance: 'reported',
  ...(at === undefined ? {} : { at }),
  ...more,
});
const spans = (calls: readonly LedgerEntry[], events: readonly TaskEvent[] = []): [number, number][] =>
  modelCallsOf(calls, toolsOf(events), (attempt) => attempt * 100).map(({ from, to }) => [from, to]);

test('a model call begins where the last thing of its thread ended', () => {
  const events = [begin(110, 'a'), end(115, 'a'), begin(121, 'b', { subagent: 's' }), end(125, 'b')];
  const calls = [call(110), call(120), call(130), call(140, { subagent: 's' })];
  expect(spans(calls, events)).toEqual([
    [100, 110],
    [115, 120],
    [120, 130],
    [125, 140],
  ]);
});

test('the first of an attempt begins with it; a clock that was set back gives no call that ends before it begins', () => {
  expect(spans([call(90), call(205, { attempt: 2 })])).toEqual([
    [90, 90],
    [200, 205],
  ]);
});

test('what has no time or is the rest of a total is no span', () => {
  const { callId: _, ...rest } = call(120);
  expect(spans([call(undefined), rest])).toEqual([]);
});

test('an agent that worked for days holds up no daemon', () => {
  const tools = Array.from({ length: 50_000 }, (_, n) => ({ attempt: 1, thread: 'main', id: `t${n}`, name: 'Bash', from: n, to: n + 0.5 }));
  const calls = Array.from({ length: 50_000 }, (_, n) => call(n + 0.7));
  const begun = performance.now();
  const found = modelCallsOf(calls, tools, () => 0);
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(found.length).toBe(50_000);
  expect(found.every(({ from, to }) => to - from < 0.3)).toBe(true);
});
