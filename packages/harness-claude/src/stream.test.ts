import { foldUsage, type HarnessEvent } from '@singletree/harness';
import { expect, test } from 'vitest';
import { capabilities } from './capabilities.ts';
import { createDecoder } from './decode.ts';

function decode(...lines: object[]): readonly HarnessEvent[] {
  return createDecoder('stdout', undefined).push(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
}

const init = { type: 'system', subtype: 'init', session_id: 's', model: 'm', claude_code_version: '2.1.329' };
const stream = (event: object, parent_tool_use_id: string | null = null): object => ({ type: 'stream_event', event, parent_tool_use_id });
const start = (id: string, usage: object): object => stream({ type: 'message_start', message: { id, model: 'm', usage } });
const end = (usage: object, stop_reason: string | null = 'end_turn'): object =>
  stream({ type: 'message_delta', delta: { stop_reason }, usage });
const stop = stream({ type: 'message_stop' });
const block = (id: string, output_tokens: number): object => ({
  type: 'assistant',
  message: { id, model: 'm', content: [{ type: 'text', text: 'x' }], usage: { input_tokens: 10, output_tokens } },
});
const callsOf = (events: readonly HarnessEvent[]): object[] =>
  events.flatMap((event) => (event.kind === 'model.call' ? [{ ...event, source: undefined, endsAt: undefined }] : []));

test('a message that ends tells its true tokens, and whether another call follows; its blocks before it tell the prompt', () => {
  const events = decode(
    init,
    start('a', { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 }),
    block('a', 1),
    end({ output_tokens: 70, output_tokens_details: { thinking_tokens: 20 } }, 'tool_use'),
    stop,
  );
  expect(callsOf(events)).toMatchObject([
    { callId: 'a', provisional: true, usage: { uncachedInputTokens: 10 } },
    { callId: 'a', goesOn: true, usage: { uncachedInputTokens: 10, cacheReadInputTokens: 5, outputTokens: 50, reasoningOutputTokens: 20 } },
  ]);
  expect(callsOf(events)[0]).not.toHaveProperty('usage.outputTokens');
  expect(callsOf(events)[1]).not.toHaveProperty('provisional');
});

test.each<[string, object, object]>([
  ['null', { input_tokens: null, cache_read_input_tokens: null, output_tokens: 7 }, { uncachedInputTokens: 10, cacheReadInputTokens: 5 }],
  ['0', { input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 7 }, { uncachedInputTokens: 10, cacheReadInputTokens: 5 }],
  ['more', { input_tokens: 12, output_tokens: 7 }, { uncachedInputTokens: 12, cacheReadInputTokens: 5 }],
])('of a prompt that is %s at the end, the beginning is kept unless the end says more', (_, usage, told) => {
  const events = decode(init, start('a', { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 1 }), end(usage), stop);
  expect(callsOf(events)).toMatchObject([{ usage: { ...told, outputTokens: 7 } }]);
});

test('an answer of no tokens is one of 0', () => {
  const events = decode(init, start('a', { input_tokens: 10, output_tokens: 1 }), end({ output_tokens: 0 }), stop);
  expect(callsOf(events)).toMatchObject([{ usage: { outputTokens: 0 } }]);
});

test.each<[string, object[]]>([
  ['its last line comes', [stop]],
  ['the next one begins', [start('b', { input_tokens: 20 }), end({ output_tokens: 7 }), stop]],
  ['the CLI tries again', [{ type: 'system', subtype: 'api_retry', error: 'unknown', error_status: null, retry_delay_ms: 5 }]],
])('an answer that broke off is told once %s; it is counted once, and the sum is a lower bound', (_, then) => {
  const lines = [init, start('a', { input_tokens: 10, output_tokens: 1 }), ...then];
  expect(decode(...lines).filter(({ kind }) => kind === 'usage.incomplete')).toHaveLength(1);
  const total = (inputTokens: number, outputTokens: number): object =>
    foldUsage(decode(...lines, { type: 'result', is_error: false, modelUsage: { m: { inputTokens, outputTokens } } }), capabilities);
  const [input, output] = then.length > 1 ? [20, 7] : [0, 0];
  expect(total(input, output)).toMatchObject({ lowerBound: true, total: { uncachedInputTokens: input + 10, outputTokens: output + 1 } });
  expect(total(input + 10, output + 1)).toMatchObject({ lowerBound: true, total: { uncachedInputTokens: input + 10 } });
});

test('an answer that has ended has not broken off, whether or not its last event came', () => {
  const events = decode(init, start('a', {}), end({ output_tokens: 7 }), start('b', {}), end({ output_tokens: 8 }), stop);
  expect(events.filter(({ kind }) => kind === 'usage.incomplete')).toEqual([]);
});

test('an answer by a schema is the last text', () => {
  const result = { type: 'result', subtype: 'success', is_error: false, structured_output: { n: [1, 'é'] } };
  expect(foldUsage(decode(init, block('a', 1), result), capabilities)).toMatchObject({
    lastText: '{"n":[1,"é"]}',
    evidence: { result: 'completed' },
  });
});

test('events of messages that nobody began are passed over', () => {
  expect(decode(init, end({ output_tokens: 7 }), stop, stream({ type: 'message_start' }), end({}), { type: 'stream_event' })).toHaveLength(
    1,
  );
});

test('an end without a reason is none: the CLI closes an answer that broke off by repeating its beginning', () => {
  const events = decode(init, start('a', { input_tokens: 10, output_tokens: 1 }), end({ input_tokens: 10, output_tokens: 1 }, null), stop);
  expect(callsOf(events)).toEqual([]);
  expect(events.filter(({ kind }) => kind === 'usage.incomplete')).toHaveLength(1);
});

test('of a call that failed without a status or a beginning nobody knows what it used; one that was refused used nothing', () => {
  const lower = (error_status: number | null): boolean => {
    const retry = { type: 'system', subtype: 'api_retry', error: 'unknown', error_status };
    const result = { type: 'result', is_error: false, modelUsage: { m: { inputTokens: 10, outputTokens: 7 } } };
    return foldUsage(
      decode(init, retry, start('a', { input_tokens: 10, output_tokens: 1 }), end({ output_tokens: 7 }), stop, result),
      capabilities,
    ).lowerBound;
  };
  expect([lower(null), lower(500)]).toEqual([true, false]);
});
