import type { TokenUsage } from '@singletree/harness';
import { expect, test } from 'vitest';
import { Span } from './span.ts';

const tokens = (input: number, output: number): TokenUsage => ({ uncachedInputTokens: input, outputTokens: output });
const call = (callId: string, usage: TokenUsage, provisional?: true): Parameters<Span['call']>[0] => ({
  kind: 'model.call',
  callId,
  thread: 'main',
  model: 'm',
  usage,
  ...(provisional ? { provisional } : {}),
});
const total = (input: number, output: number): { model: string; usage: TokenUsage }[] => [{ model: 'm', usage: tokens(input, output) }];
const nothing = { missing: [], isOpen: false };

test('a total that holds all calls lacks nothing', () => {
  const span = new Span();
  span.call(call('a', tokens(10, 7)));
  expect(span.close(total(10, 7))).toEqual(nothing);
});

test('an answer that broke off is missing where the total holds the other calls only, and is not where it holds it too', () => {
  for (const [whole, missing] of [
    [total(10, 7), [{ model: 'm', usage: tokens(30, 1) }]],
    [total(40, 8), []],
  ] as const) {
    const span = new Span();
    span.call(call('a', tokens(10, 7)));
    span.cut({ callId: 'b', model: 'm', usage: tokens(30, 1) });
    expect(span.close(whole)).toEqual({ missing, isOpen: true });
    expect(span.close([]), 'the next span has nothing of it').toEqual(nothing);
  }
});

test('of several that broke off, those that the total lacks are missing', () => {
  const span = new Span();
  span.cut({ model: 'm', usage: tokens(30, 1) });
  span.cut({ model: 'm', usage: tokens(20, 1) });
  expect(span.close(total(30, 1))).toEqual({ missing: [{ model: 'm', usage: tokens(20, 1) }], isOpen: true });
});

test('a call that had told its beginning in a block is the one that broke off, not another', () => {
  const span = new Span();
  span.call(call('b', { uncachedInputTokens: 30 }, true));
  span.cut({ callId: 'b', model: 'm', usage: tokens(30, 1) });
  expect(span.close(total(0, 0))).toEqual({ missing: [{ model: 'm', usage: tokens(30, 1) }], isOpen: true });
});

test('a call that the total has left out is missing', () => {
  const span = new Span();
  span.call(call('a', tokens(10, 7)));
  span.call(call('b', tokens(30, 1)));
  expect(span.close(total(10, 7))).toEqual({ missing: [{ model: 'm', usage: tokens(30, 1) }], isOpen: true });
});

test.each<[string, (span: Span) => void]>([
  ['a sub-agent or a compaction', (span) => span.untold()],
  ['a call without its end', (span) => span.call(call('c', tokens(1, 1), true))],
  ['more than it can explain', (span) => span.call(call('a', tokens(5, 5)))],
])('beside %s, nobody knows whether the total holds it', (_, more) => {
  const span = new Span();
  more(span);
  span.cut({ model: 'm', usage: tokens(30, 1) });
  expect(span.close(total(20, 9))).toEqual({ missing: [], isOpen: true });
});

test('what broke off before it told anything is unknown', () => {
  const span = new Span();
  span.lose();
  expect(span.close(total(10, 7))).toEqual({ missing: [], isOpen: true });
  expect(span.close(total(10, 7))).toEqual(nothing);
});

test('thinking that a total counts as output is not beyond the calls', () => {
  const span = new Span();
  span.call(call('a', { ...tokens(10, 7), reasoningOutputTokens: 5 }));
  span.cut({ model: 'm', usage: tokens(30, 1) });
  expect(span.close(total(10, 12))).toEqual({ missing: [{ model: 'm', usage: tokens(30, 1) }], isOpen: true });
});
