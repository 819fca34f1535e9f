import { argumentsOf, fullText, middle, serverSentEvent, textPieces } from './frame.ts';
import { spelledOut } from './usage.ts';
import type { Encoder, Frame } from './frame.ts';
import type { Reply } from './script.ts';
import type { FullUsage } from './usage.ts';

/**
 * Anthropic Messages. Its `input_tokens` leave the cache out; its `output_tokens` include thinking. The input side is told in
 * `message_start`, where `output_tokens` is only a placeholder; `message_delta` tells the final figures.
 */
export const anthropic: Encoder = {
  *stream(reply, call) {
    const usage = spelledOut(reply.usage);
    const begun: FullUsage = { ...usage, output_tokens: 1, reasoning_output_tokens: 0 };
    const message = { id: call.id('msg'), type: 'message', role: 'assistant', model: call.model };
    yield {
      bytes: serverSentEvent({
        type: 'message_start',
        message: { ...message, content: [], stop_reason: null, stop_sequence: null, usage: wireUsage(begun) },
      }),
      tells: begun,
    };
    let index = 0;
    if (reply.thinking) {
      yield start(index, { type: 'thinking', thinking: '', signature: '' });
      yield delta(index, { type: 'thinking_delta', thinking: reply.thinking });
      yield delta(index, { type: 'signature_delta', signature });
      yield stop(index++);
    }
    const text = fullText(reply);
    if (text) {
      yield start(index, { type: 'text', text: '' });
      for (const piece of textPieces(text)) yield delta(index, { type: 'text_delta', text: piece });
    }
    yield middle;
    if (text) yield stop(index++);
    for (const tool of reply.tools ?? []) {
      yield start(index, { type: 'tool_use', id: call.id('toolu'), name: tool.name, input: {} });
      yield delta(index, { type: 'input_json_delta', partial_json: argumentsOf(tool.input) });
      yield stop(index++);
    }
    yield {
      bytes: serverSentEvent({
        type: 'message_delta',
        delta: { stop_reason: stopReason(reply), stop_sequence: null },
        usage: wireUsage(usage),
      }),
      tells: usage,
    };
    yield { bytes: serverSentEvent({ type: 'message_stop' }) };
  },

  whole(reply, call) {
    const usage = spelledOut(reply.usage);
    const text = fullText(reply);
    const content = [
      ...(reply.thinking ? [{ type: 'thinking', thinking: reply.thinking, signature }] : []),
      ...(text ? [{ type: 'text', text }] : []),
      ...(reply.tools ?? []).map(({ name, input }) => ({ type: 'tool_use', id: call.id('toolu'), name, input })),
    ];
    return {
      json: {
        id: call.id('msg'),
        type: 'message',
        role: 'assistant',
        model: call.model,
        content,
        stop_reason: stopReason(reply),
        stop_sequence: null,
        usage: wireUsage(usage),
      },
      tells: usage,
    };
  },

  streamError: ({ type = 'overloaded_error', message }) => serverSentEvent({ type: 'error', error: { type, message } }),

  errorBody: (status, message) => ({ type: 'error', error: { type: errorTypes[status] ?? 'api_error', message } }),
};

/** A thinking block must be signed; clients send the signature back and do not read it. */
const signature = 'c2NyaXB0ZWQ=';

const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

function stopReason(reply: Reply): string {
  return reply.stopReason ?? (reply.tools?.length ? 'tool_use' : 'end_turn');
}

function wireUsage(usage: FullUsage): Readonly<Record<string, unknown>> {
  return {
    input_tokens: usage.input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens,
    cache_creation_input_tokens: usage.cache_creation_input_tokens,
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cache_creation_input_tokens - usage.cache_creation_1h_input_tokens,
      ephemeral_1h_input_tokens: usage.cache_creation_1h_input_tokens,
    },
    output_tokens: usage.output_tokens + usage.reasoning_output_tokens,
    output_tokens_details: { thinking_tokens: usage.reasoning_output_tokens },
  };
}

function start(index: number, block: unknown): Frame {
  return { bytes: serverSentEvent({ type: 'content_block_start', index, content_block: block }) };
}

function delta(index: number, part: unknown): Frame {
  return { bytes: serverSentEvent({ type: 'content_block_delta', index, delta: part }) };
}

function stop(index: number): Frame {
  return { bytes: serverSentEvent({ type: 'content_block_stop', index }) };
}
