import { foldUsage, type HarnessEvent, type Reconciliation } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { baselineOf } from './baseline.ts';
import { capabilities } from './capabilities.ts';
import { createDecoder } from './decode.ts';
import { reconcile } from './session.ts';

const lines = (...objects: object[]): Buffer => Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(''));
const decode = (...objects: object[]): readonly HarnessEvent[] => createDecoder('stdout', undefined).push(lines(...objects));

const init = { type: 'system', subtype: 'init', session_id: 's', model: 'm' };
/** What the output says of a call that has ended, with a tool that has not. */
const printed = (id: string, input: number, output: number): object[] => [
  { type: 'stream_event', event: { type: 'message_start', message: { id, model: 'm', usage: { input_tokens: input, output_tokens: 1 } } } },
  {
    type: 'assistant',
    message: {
      id,
      model: 'm',
      content: [{ type: 'tool_use', id: `t-${id}`, name: 'Bash', input: {} }],
      usage: { input_tokens: input, output_tokens: 1 },
    },
  },
  { type: 'stream_event', event: { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: output } } },
];
const toolResult = (id: string): object => ({
  type: 'user',
  message: { content: [{ type: 'tool_result', tool_use_id: `t-${id}`, content: 'x' }] },
});
/** What the session's file says of it. */
const written = (id: string, input: number, output: number, stop_reason: string | null = 'tool_use'): object => ({
  type: 'assistant',
  timestamp: '2026-11-21T15:00:00.000Z',
  message: { id, model: 'm', stop_reason, usage: { input_tokens: input, output_tokens: output } },
});
const asked = { type: 'user', message: {} };
const sent = { type: 'api-request' };
const main = (...objects: object[]): { path: string; bytes: Buffer } => ({ path: '.claude/projects/p/s.jsonl', bytes: lines(...objects) });
const subagent = (...objects: object[]): { path: string; bytes: Buffer } => ({
  path: '.claude/projects/p/s/subagents/agent-a1.jsonl',
  bytes: lines(...objects),
});
const total = (inputTokens: number, outputTokens: number): object => {
  const usage = { m: { inputTokens, outputTokens } };
  return { type: 'result', subtype: 'success', is_error: false, modelUsage: usage, model_usage_since_last_result: usage };
};
const at = Date.parse('2026-11-21T15:00:00.000Z');

function ask(events: readonly HarnessEvent[], ...files: { path: string; bytes: Buffer }[]): Reconciliation | undefined {
  return reconcile({ sessionId: 's', files, baseline: undefined, events });
}
const sumOf = (told: Reconciliation | undefined, events: readonly HarnessEvent[]): object => foldUsage(events, capabilities, told).total;

describe('after a kill', () => {
  test('a call that the file does not hold yet is taken from the output', () => {
    const events = decode(init, ...printed('a', 10, 70), toolResult('a'), ...printed('b', 20, 80));
    const told = ask(events, main(asked, sent, written('a', 10, 70), asked, sent));
    expect(told).toMatchObject({ lowerBound: false, provenance: 'recovered', turns: 2 });
    expect(told?.calls).toEqual([
      { callId: 'a', thread: 'main', model: 'm', usage: { uncachedInputTokens: 10, outputTokens: 70 }, at },
      { callId: 'b', thread: 'main', model: 'm', usage: { uncachedInputTokens: 20, outputTokens: 80 } },
    ]);
    expect(sumOf(told, events)).toEqual({ uncachedInputTokens: 30, outputTokens: 150 });
  });

  test('the next call is missing once the tools have their results, whatever the file holds of that', () => {
    const events = decode(init, ...printed('a', 10, 70), toolResult('a'));
    expect(ask(events, main(asked, written('a', 10, 70)))?.lowerBound).toBe(true);
    expect(ask(events, main())?.lowerBound).toBe(true);
    expect(ask(decode(init, ...printed('a', 10, 70)), main(asked, written('a', 10, 70)))?.lowerBound).toBe(false);
  });

  test('a call that ends after its tools have their results leaves the next one missing', () => {
    const [start, block, end] = printed('a', 10, 70);
    expect(ask(decode(init, start!, block!, toolResult('a'), end!), main(asked, written('a', 10, 70)))?.lowerBound).toBe(true);
  });

  test('totals that the CLI saved are all, unless an answer had broken off', () => {
    const saved = { type: 'cost-state', modelUsage: { m: { inputTokens: 40, outputTokens: 71 } } };
    const [start] = printed('z', 30, 1);
    const told = ask(decode(init, ...printed('a', 10, 70)), main(asked, written('a', 10, 70), saved));
    expect(told).toMatchObject({ lowerBound: false, usage: [{ usage: { uncachedInputTokens: 40 } }] });
    const cut = decode(init, start!, ...printed('a', 10, 70));
    expect(ask(cut, main(asked, written('a', 10, 70), saved))).toMatchObject({ lowerBound: true, usage: told?.usage });
  });

  test('what the CLI saved as costs is none where it guessed a price', () => {
    const saved = { type: 'cost-state', modelUsage: { m: { inputTokens: 10, outputTokens: 70, costUSD: 0.5 } } };
    const told = (state: object): unknown =>
      ask(decode(init, ...printed('a', 10, 70)), main(asked, written('a', 10, 70), { ...saved, ...state }))?.usage;
    const usage = { uncachedInputTokens: 10, outputTokens: 70 };
    expect(told({ hasUnknownModelCost: false })).toEqual([{ model: 'm', usage, costUsdMicros: 500_000 }]);
    expect(told({ hasUnknownModelCost: true })).toEqual([{ model: 'm', usage }]);
  });

  test('a call of which only the beginning is known counts with its prompt, as a lower bound', () => {
    const [start, block] = printed('b', 20, 80);
    const events = decode(init, ...printed('a', 10, 70), toolResult('a'), start!, block!);
    const told = ask(events, main(asked, written('a', 10, 70)));
    expect(told).toMatchObject({ lowerBound: true, turns: 2 });
    expect(sumOf(told, events)).toEqual({ uncachedInputTokens: 30, outputTokens: 70 });
    // Nor is the placeholder in a file a figure.
    const half = ask(decode(init), main(asked, written('b', 20, 1, null)));
    expect(half).toMatchObject({ lowerBound: true, calls: [{ callId: 'b', usage: { uncachedInputTokens: 20 } }] });
    expect(half?.calls?.[0]?.usage).not.toHaveProperty('outputTokens');
  });

  test('what an earlier total held beyond the calls is kept; a call after it is added', () => {
    const compacting = { type: 'system', subtype: 'status', status: 'compacting' };
    const events = decode(init, ...printed('a', 10, 70), compacting, total(110, 170), init, ...printed('b', 20, 80));
    const told = ask(events, main(asked, written('a', 10, 70), asked, written('b', 20, 80)));
    expect(sumOf(told, events)).toEqual({ uncachedInputTokens: 130, outputTokens: 250 });
    expect(told).toMatchObject({ lowerBound: false, turns: 2 });
  });

  test('compactions and the context are those of the file, where the output breaks off before them', () => {
    const boundary = { type: 'system', subtype: 'compact_boundary', uuid: 'c1' };
    const file = main(asked, written('a', 10, 70), asked, written('b', 90, 7), boundary, asked, written('c', 20, 80));
    const told = ask(decode(init), file, subagent(asked, written('x', 500, 6)));
    expect(told).toMatchObject({ compactions: 1, context: { finalTokens: 20, peakTokens: 90 }, turns: 3 });
    expect(ask(decode(init, ...printed('a', 10, 70), toolResult('a'), ...printed('d', 30, 5)), file)?.context?.finalTokens).toBe(30);
  });

  test('a compaction that no total has counted makes it a lower bound', () => {
    const compacting = { type: 'system', subtype: 'status', status: 'compacting' };
    expect(ask(decode(init, ...printed('a', 10, 70), compacting), main(asked, written('a', 10, 70)))?.lowerBound).toBe(true);
  });

  test("a sub-agent's calls are told apart, by the tool call that started it where the output shows one of them", () => {
    const own = { type: 'assistant', parent_tool_use_id: 't-a', message: { id: 'x', model: 'm', content: [], usage: { input_tokens: 5 } } };
    const files = [main(asked, written('a', 10, 70)), subagent(asked, written('x', 5, 6))];
    const events = decode(init, ...printed('a', 10, 70), own);
    const told = ask(events, ...files);
    expect(told?.calls?.map(({ callId, thread }) => [callId, thread])).toEqual([
      ['a', 'main'],
      ['x', { subagent: 't-a' }],
    ]);
    expect(told).toMatchObject({ subagentUsage: { uncachedInputTokens: 5, outputTokens: 6 }, turns: 1, lowerBound: false });
    expect(ask(decode(init, ...printed('a', 10, 70)), ...files)?.calls?.[1]?.thread).toEqual({ subagent: 'a1' });
  });
});

describe('after an end with a total', () => {
  const finished = { type: 'system', subtype: 'status', status: null, compact_result: 'success' };
  const compacting = { type: 'system', subtype: 'status', status: 'compacting' };
  const boundary = { type: 'system', subtype: 'compact_boundary', uuid: 'c1', timestamp: '2026-11-21T15:00:00.000Z' };
  const file = main(asked, written('a', 10, 70), boundary, asked, written('b', 20, 80, 'end_turn'));

  test('the total is the truth, and the calls are told one by one', () => {
    const events = decode(init, ...printed('a', 10, 70), toolResult('a'), ...printed('b', 20, 80), total(30, 150));
    expect(ask(events, file)).toMatchObject({
      provenance: 'reported',
      lowerBound: false,
      turns: 2,
      calls: [{ callId: 'a' }, { callId: 'b' }],
      usage: [{ model: 'm', usage: { uncachedInputTokens: 30, outputTokens: 150 } }],
    });
  });

  test('what one compaction used is what the total holds beyond the calls', () => {
    const before = [init, ...printed('a', 10, 70), toolResult('a')];
    const after = [finished, boundary, ...printed('b', 20, 80)];
    const told = ask(decode(...before, compacting, ...after, total(130, 250)), file);
    expect(told?.calls?.at(-1)).toEqual({
      callId: 'c1',
      thread: 'main',
      model: 'm',
      usage: { uncachedInputTokens: 100, outputTokens: 100 },
      at,
      compaction: true,
    });
    expect(told?.turns).toBe(2);
    // Beside a compaction that failed, or an answer that broke off, nobody knows whose it is.
    const failed = { type: 'system', subtype: 'status', status: null, compact_result: 'failed' };
    expect(ask(decode(...before, compacting, failed, compacting, ...after, total(130, 250)), file)?.calls).toHaveLength(2);
    const [cut] = printed('z', 1, 1);
    expect(ask(decode(...before, cut!, compacting, ...after, total(130, 250)), file)?.calls).toHaveLength(2);
  });

  test('calls that hold more than the total are not told: one of the two is wrong', () => {
    const told = ask(decode(init, total(9, 70)), main(asked, written('a', 10, 70)));
    expect(told).not.toHaveProperty('calls');
    expect(told?.usage).toEqual([{ model: 'm', usage: { uncachedInputTokens: 9, outputTokens: 70 } }]);
  });
});

test('calls of an earlier attempt that its file repeats are not counted again', () => {
  const before = main(asked, written('a', 10, 70));
  const baseline = baselineOf('s', [before]);
  const after = main(asked, written('a', 10, 70), asked, written('a', 10, 70), written('b', 20, 80));
  const told = reconcile({ sessionId: 's', files: [after], baseline, events: decode(init) });
  expect(told?.calls?.map(({ callId }) => callId)).toEqual(['b']);
});
