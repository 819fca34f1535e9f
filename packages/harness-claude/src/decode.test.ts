import { foldUsage, type Baseline, type HarnessEvent } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { capabilities } from './capabilities.ts';
import { createDecoder } from './decode.ts';

function decode(...lines: object[]): readonly HarnessEvent[] {
  return decodeAfter(undefined, ...lines);
}

function decodeAfter(baseline: Baseline | undefined, ...lines: object[]): readonly HarnessEvent[] {
  return createDecoder('stdout', baseline).push(Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
}

const init = { type: 'system', subtype: 'init', session_id: 's', model: 'm', claude_code_version: '2.1.329' };
const totals = (inputTokens: number, costUSD: number): object => ({
  m: { inputTokens, outputTokens: 3, thinkingTokens: 1, costUSD, contextWindow: 200 },
});
const result = (fields: object): object => ({ type: 'result', subtype: 'success', is_error: false, ...fields });

describe('totals', () => {
  test('of a CLI without figures since the last result are told apart by subtraction', () => {
    const events = decode(init, result({ modelUsage: totals(10, 0.000001) }), result({ modelUsage: totals(25, 0.0000036) }));
    const usage = foldUsage(events, capabilities);
    expect(usage.total).toEqual({ uncachedInputTokens: 25, outputTokens: 2, reasoningOutputTokens: 1 });
    expect(usage.costUsdMicros).toBe(4);
  });

  test('of a resumed session begin with what the CLI had saved before, unless it tells them apart itself', () => {
    const baseline = { version: 1, data: { bytes: {}, modelUsage: totals(10, 0.000001) } };
    const running = { modelUsage: totals(25, 0.000004) };
    const after = (fields: object): object => foldUsage(decodeAfter(baseline, init, result(fields)), capabilities);
    expect(after(running)).toMatchObject({ total: { uncachedInputTokens: 15, outputTokens: 0 }, costUsdMicros: 3 });
    expect(after({ ...running, model_usage_since_last_result: totals(7, 0.000002) })).toMatchObject({
      total: { uncachedInputTokens: 7 },
      costUsdMicros: 2,
    });
  });

  test('are rounded once, however many results there are', () => {
    const third = { modelUsage: {}, model_usage_since_last_result: totals(1, 0.0000004) };
    expect(foldUsage(decode(init, result(third), result(third), result(third)), capabilities).costUsdMicros).toBe(1);
  });

  test('leave out a price of 0 for tokens that were used, and one that the CLI guesses', () => {
    const guess = { m: { inputTokens: 5, costUSD: 1, costBasis: 'unknown', contextWindow: 1_000_000 } };
    expect(foldUsage(decode(init, result({ modelUsage: totals(5, 0) })), capabilities)).not.toHaveProperty('costUsdMicros');
    const guessed = foldUsage(decode(init, result({ modelUsage: guess })), capabilities);
    expect(guessed).not.toHaveProperty('costUsdMicros');
    expect(guessed.context).not.toHaveProperty('windowTokens');
  });
});

test('the code of a failed call tells why the result failed, unless a later call went well', () => {
  const failure = {
    type: 'assistant',
    message: { id: 'x', model: '<synthetic>', content: [] },
    is_api_error_message: true,
    error: 'billing_error',
  };
  const call = { type: 'assistant', message: { id: 'y', model: 'm', content: [], usage: { input_tokens: 1 } } };
  const failed = { type: 'result', subtype: 'success', is_error: true, terminal_reason: 'api_error' };
  expect(foldUsage(decode(init, failure, failed), capabilities).evidence).toEqual({ result: 'failed', reason: 'quota_exhausted' });
  expect(foldUsage(decode(init, failure, call, failed), capabilities).evidence).toEqual({ result: 'failed' });
});

test('only a rate limit that refuses is told, with its time in milliseconds', () => {
  const limit = (status: string): object => ({
    type: 'rate_limit_event',
    rate_limit_info: { status, resetsAt: 1_790_000_000, rateLimitType: 'five_hour' },
  });
  expect(decode(limit('allowed_warning'))).toEqual([]);
  expect(decode(limit('rejected'))).toMatchObject([{ kind: 'rate.limited', resetsAtMs: 1_790_000_000_000, message: 'five_hour' }]);
});

test('a compaction under way makes the sums a lower bound until the next total', () => {
  const compacting = { type: 'system', subtype: 'status', status: 'compacting' };
  expect(decode(compacting)).toMatchObject([{ kind: 'usage.incomplete' }]);
  expect(decode({ type: 'system', subtype: 'status', status: null, compact_result: 'failed', compact_error: 'exhausted' })).toMatchObject([
    { kind: 'warning', message: 'compaction failed: exhausted' },
  ]);
});

test('a denial that only the result lists is told once', () => {
  const denied = { type: 'system', subtype: 'permission_denied', tool_name: 'Bash', tool_use_id: 't1' };
  const listed = [
    { tool_name: 'Bash', tool_use_id: 't1' },
    { tool_name: 'Write', tool_use_id: 't2' },
  ];
  const events = decode(init, denied, result({ permission_denials: listed }), result({ permission_denials: listed }));
  expect(events.filter((event) => event.kind === 'permission.denied').map((event) => event.tool)).toEqual(['Bash', 'Write']);
});

test('files are changed by the tools that edit, and only if they succeeded', () => {
  const use = (id: string, name: string): object => ({
    type: 'assistant',
    message: { id: `m${id}`, model: 'm', content: [{ type: 'tool_use', id, name, input: { file_path: '/a' } }] },
  });
  const done = (id: string, output: object | string, is_error = false): object => ({
    type: 'user',
    message: { content: [{ type: 'tool_result', tool_use_id: id, is_error }] },
    tool_use_result: output,
  });
  const edited = [use('1', 'Write'), done('1', { type: 'create', filePath: '/a' }), use('2', 'Edit'), done('2', { filePath: '/b' })];
  const untouched = [use('3', 'Edit'), done('3', 'Error: no', true), use('4', 'Read'), done('4', { filePath: '/c' })];
  const events = decode(init, ...edited, ...untouched);
  expect(events.filter((event) => event.kind === 'file.changed').map(({ path, change }) => [path, change])).toEqual([
    ['/a', 'added'],
    ['/b', 'modified'],
  ]);
});

describe('the closing words', () => {
  const started = (task_id: string, more: object = {}): object => ({ type: 'system', subtype: 'task_started', task_id, ...more });
  const over = (task_id: string, more: object = {}): object => ({ type: 'system', subtype: 'task_notification', task_id, ...more });
  const agent = { task_type: 'local_agent', tool_use_id: 't1' };
  const pending = (...lines: object[]): unknown[] =>
    decode(init, ...lines).flatMap((event) => (event.kind === 'ended' ? [event.pending] : []));

  test('say how much goes on in the background and may wake the agent', () => {
    expect(pending(started('b1', { task_type: 'local_bash' }), started('a1', agent), result({}))).toEqual([2]);
    expect(pending(started('b1'), result({}), over('b1'), result({}))).toEqual([1, undefined]);
    expect(pending(started('a1', agent), over('a1', agent), result({}))).toEqual([undefined]);
  });
});

test('calls and results are told apart by all that is in them, not by what is shown', () => {
  const use = (id: string, command: string): object => ({
    type: 'assistant',
    message: { id: `m${id}`, model: 'm', content: [{ type: 'tool_use', id, name: 'Bash', input: { command } }] },
  });
  const done = (id: string, content: string): object => ({
    type: 'user',
    message: { content: [{ type: 'tool_result', tool_use_id: id, content }] },
  });
  const events = decode(
    init,
    use('1', 'cat <<E\n1'),
    done('1', 'x'),
    use('2', 'cat <<E\n2'),
    done('2', 'x'),
    use('3', 'cat <<E\n1'),
    done('3', 'y'),
  );
  const inputs = events.flatMap((event) => (event.kind === 'tool.started' ? [[event.summary, event.inputDigest]] : []));
  const outputs = events.flatMap((event) => (event.kind === 'tool.finished' ? [event.outputDigest] : []));
  expect(inputs.map(([summary]) => summary)).toEqual(['cat <<E', 'cat <<E', 'cat <<E']);
  expect(inputs[0]).toEqual(inputs[2]);
  expect(inputs[0]).not.toEqual(inputs[1]);
  expect(outputs[0]).toBe(outputs[1]);
  expect(outputs[0]).not.toBe(outputs[2]);
});
