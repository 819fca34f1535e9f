import { foldUsage } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { capabilities } from './capabilities.ts';
import { createDecoder } from './decode.ts';

const decode = (...items: object[]) =>
  createDecoder('stdout', undefined).push(
    Buffer.from(items.map((item) => `${JSON.stringify({ type: 'item.completed', item: { status: 'completed', ...item } })}\n`).join('')),
  );

test('calls are told apart by all that they were given, where the CLI tells it', () => {
  const events = decode(
    { id: '1', type: 'command_execution', command: 'cat a\ncat b', exit_code: 0, aggregated_output: 'x' },
    { id: '2', type: 'command_execution', command: 'cat a\ncat c', exit_code: 0, aggregated_output: 'x' },
    { id: '3', type: 'mcp_tool_call', server: 's', tool: 't', arguments: { a: 1 }, result: { b: 2 } },
    { id: '4', type: 'file_change', changes: [{ path: 'a', kind: 'update' }] },
    { id: '5', type: 'collab_tool_call', tool: 'wait', agents_states: {} },
    { id: '6', type: 'web_search', query: 'q' },
  );
  const started = events.flatMap((event) => (event.kind === 'tool.started' ? [event] : []));
  const outputs = events.flatMap((event) => (event.kind === 'tool.finished' ? [event.outputDigest] : []));
  expect(started.map(({ tool, summary }) => [tool, summary])).toEqual([
    ['shell', 'cat a'],
    ['shell', 'cat a'],
    ['s.t', undefined],
    ['apply_patch', undefined],
    ['collab.wait', undefined],
    ['web_search', 'q'],
  ]);
  expect(started[0]?.inputDigest).not.toBe(started[1]?.inputDigest);
  expect(started.map(({ inputDigest }) => inputDigest !== undefined)).toEqual([true, true, true, false, false, true]);
  expect(outputs[0]).toBe(outputs[1]);
  expect(outputs.map((output) => output !== undefined)).toEqual([true, true, true, false, false, false]);
});

test('app-server tells of a resumed thread what it had used before: that is not used again', () => {
  const used = (turnId: string, inputTokens: number) => ({
    method: 'thread/tokenUsage/updated',
    params: { threadId: 't', turnId, tokenUsage: { total: { inputTokens, outputTokens: 1 }, modelContextWindow: 9 } },
  });
  const messages = [
    { id: 2, result: { thread: { id: 't', model: 'm' } } },
    used('old', 100),
    { method: 'turn/started', params: { threadId: 't', turn: { id: 'new' } } },
    used('new', 130),
    { method: 'turn/completed', params: { threadId: 't', turn: { id: 'new', status: 'completed' } } },
  ];
  const events = createDecoder('stdout', undefined).push(Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join('')));
  expect(foldUsage(events, capabilities)).toMatchObject({ turns: 1, total: { uncachedInputTokens: 30 }, unknownEvents: 0 });
});

describe('what the CLI logs', () => {
  const at = '2026-11-21T18:33:06.561505Z';
  const telemetry = (name: string, fields: string, thread = 'main-1'): string =>
    `${at}  INFO codex_otel.trace_safe: event.name="codex.${name}" ${fields} conversation.id=${thread} app.version=0.169.0 auth_mode="ApiKey" model=gpt-5.5 slug=gpt-5.5`;
  const call = (input: number, thread?: string): string =>
    telemetry(
      'sse_event',
      `event.kind=response.completed input_token_count=${input} output_token_count=13 cached_token_count=50 cache_write_token_count=7 reasoning_token_count=3 tool_token_count=170`,
      thread,
    );
  const started = '{"type":"thread.started","thread_id":"main-1"}';
  const completed = (input: number): string =>
    `{"type":"turn.completed","usage":{"input_tokens":${input},"cached_input_tokens":50,"cache_write_input_tokens":7,"output_tokens":13,"reasoning_output_tokens":3}}`;
  const read = (...lines: string[]) => createDecoder('stdout', undefined).push(Buffer.from(`${lines.join('\n')}\n`));
  const account = (...lines: string[]) => foldUsage(read(...lines), capabilities);

  test('tells each call of the main thread with its model, and version and model of the session', () => {
    const events = read(telemetry('conversation_starts', 'provider_name=x'), started, call(157));
    expect(events).toMatchObject([
      { kind: 'session.started', sessionId: 'main-1', model: 'gpt-5.5', harnessVersion: '0.169.0' },
      {
        kind: 'model.call',
        thread: 'main',
        model: 'gpt-5.5',
        usage: {
          uncachedInputTokens: 100,
          cacheReadInputTokens: 50,
          cacheWriteInputTokens: 7,
          outputTokens: 10,
          reasoningOutputTokens: 3,
        },
      },
    ]);
  });

  test('tells the calls of sub-agents, which the total leaves out, and when they come and go', () => {
    const sub = 'sub-1';
    const lines = [
      started,
      call(157),
      telemetry('conversation_starts', '', sub),
      call(1057, sub),
      telemetry('turn_profile', '', sub),
      call(2057, sub),
      completed(157),
    ];
    expect(read(...lines).flatMap((event) => ('subagent' in event ? [event.kind] : []))).toEqual([
      'subagent.started',
      'subagent.ended',
      'subagent.started',
    ]);
    expect(account(...lines)).toMatchObject({
      turns: 1,
      lowerBound: false,
      total: { uncachedInputTokens: 100 + 1000 + 2000 },
      subagents: { uncachedInputTokens: 3000 },
    });
  });

  test('tells requests that were repeated, with what the one before met', () => {
    const request = (attempt: number, met: string): string => telemetry('api_request', `duration_ms=1 ${met} attempt=${attempt}`);
    const events = read(
      started,
      request(0, 'http.response.status_code=500 error.message="http 500"'),
      request(1, 'error.message="error sending request"'),
      request(2, 'http.response.status_code=200'),
      request(1, 'http.response.status_code=200'),
    );
    expect(events.slice(1)).toMatchObject([
      { kind: 'model.retried', reason: 'http 500', status: 500 },
      { kind: 'model.retried', reason: 'error sending request' },
    ]);
  });

  test('tells the status where the last words do not', () => {
    const refused = telemetry('api_request', 'http.response.status_code=404 error.message="http 404" attempt=0');
    const failed = '{"type":"turn.failed","error":{"message":"The model does not exist"}}';
    expect(account(started, refused, failed).evidence).toMatchObject({ reason: 'invalid_configuration' });
    expect(
      account(started, refused, telemetry('api_request', 'http.response.status_code=200 attempt=0'), failed).evidence,
    ).not.toHaveProperty('reason');
  });

  test('makes the sums a lower bound where an answer broke off, also where the end went well', () => {
    const broken = telemetry(
      'sse_event',
      'event.kind=response.completed error.message=stream disconnected before completion: idle timeout',
    );
    expect(account(started, call(157), broken, completed(157)).lowerBound).toBe(true);
    expect(account(started, call(157), completed(157)).lowerBound).toBe(false);
    // No call: what was said of its failure holds no figures.
    expect(account(started, broken).turns).toBeUndefined();
  });

  test('is not needed for totals, each of which counts from the one before', () => {
    const { total } = account(started, completed(157), completed(200));
    expect(total).toMatchObject({ uncachedInputTokens: 200 - 57, cacheReadInputTokens: 50, outputTokens: 10 });
  });

  test('is not needed for totals of another thread either, which count from the beginning', () => {
    const { total } = account(started, completed(157), started, completed(200), started.replace('main-1', 'main-2'), completed(300));
    expect(total).toMatchObject({ uncachedInputTokens: 200 - 57 + 300 - 57, cacheReadInputTokens: 100, outputTokens: 20 });
  });

  test.each([
    [[completed(157)], { uncachedInputTokens: 100, cacheReadInputTokens: 50, outputTokens: 10 }],
    [['{"type":"turn.completed","usage":{"input_tokens":"157","cached_input_tokens":50,"output_tokens":13}}'], { outputTokens: 13 }],
    [['{"type":"turn.completed","usage":{"input_tokens":9,"cached_input_tokens":-1,"output_tokens":"13"}}'], {}],
    [['{"type":"turn.completed","usage":{"input_tokens":9,"output_tokens":null}}'], { uncachedInputTokens: 9 }],
    [['{"type":"turn.completed","usage":null}'], {}],
  ])('where it is not there %j are the total; a side that cannot be read is none, and never 0', (lines, total) => {
    const told = account(started, ...lines);
    expect(told.total).toMatchObject(total);
    expect(told.provenance).toBe(Object.keys(total).length === 0 ? 'missing' : 'reported');
    expect(Object.values(told.total).includes(0)).toBe(false);
  });

  test('tells a call of which the model told no figures by the request after it, or by the end', () => {
    const asked = telemetry('api_request', 'http.response.status_code=200 attempt=0 endpoint="/responses"');
    const events = read(started, asked, call(157), asked, asked, call(157), asked, completed(300));
    expect(events.flatMap((event) => (event.kind === 'model.call' ? [[event.callId, Object.keys(event.usage).length > 0]] : []))).toEqual([
      ['main-1:1', true],
      ['main-1:2', false],
      ['main-1:3', true],
      ['main-1:4', false],
    ]);
    expect(foldUsage(events, capabilities)).toMatchObject({ turns: 4, lowerBound: true, total: { uncachedInputTokens: 200 } });
  });

  test('makes them one too where the model told no figures', () => {
    const silent = telemetry('sse_event', 'event.kind=response.completed ttft_ms=0');
    expect(account(started, silent)).toMatchObject({ turns: 1, lowerBound: true });
  });

  test('tells what the sandbox denied, and errors as warnings', () => {
    const events = read(
      started,
      telemetry('sandbox_outcome', 'tool_name=exec_command outcome=denied'),
      telemetry('sandbox_outcome', 'tool_name=exec_command outcome=allowed'),
      `${at} ERROR codex_core::tools::router: error=patch rejected: writing is blocked by read-only sandbox`,
      `${at} ERROR codex_core::tools::router: error=unsupported call: x`,
      'warning: Untrusted project-local configuration is disabled.',
    );
    expect(events.slice(1)).toMatchObject([
      { kind: 'permission.denied', tool: 'exec_command' },
      { kind: 'permission.denied', tool: 'apply_patch' },
      { kind: 'warning', message: 'codex_core::tools::router: error=unsupported call: x' },
      { kind: 'warning', message: 'Untrusted project-local configuration is disabled.' },
    ]);
  });

  test('of itself and of other parts of the program is passed over, any other text is kept', () => {
    const events = read(
      'Reading prompt from stdin...',
      telemetry('turn_ttft', 'duration_ms=4'),
      `${at}  INFO codex_core: hello`,
      `${at}  INFO codex_otel.trace_safe: nonsense`,
      'something else',
    );
    expect(events).toMatchObject([{ kind: 'raw', line: 'something else' }]);
  });

  test('cannot be made up by the words of a server: the last field of a name counts', () => {
    const lie = telemetry('conversation_starts', 'error.message={"x": conversation.id=sub-9 }');
    expect(read(started, telemetry('conversation_starts', '', 'sub-9')).slice(1)).toMatchObject([{ kind: 'subagent.started' }]);
    expect(read(started, lie).slice(1)).toEqual([]);
  });
});
