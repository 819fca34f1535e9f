import { argumentsOf, fullText, middle, textPieces } from './frame.ts';
import { spelledOut } from './usage.ts';
import type { Call, Encoder, Frame } from './frame.ts';
import type { Reply, ToolCall } from './script.ts';
import type { FullUsage } from './usage.ts';

/**
 * OpenAI Chat Completions. Its `prompt_tokens` include what is read from the cache, its `completion_tokens` include reasoning.
 * It has no word for cache writes: they are served, and logged, as ordinary input.
 */
export const chat: Encoder = {
  *stream(reply, call) {
    const head = { id: call.id('chatcmpl'), object: 'chat.completion.chunk', created: seconds(), model: call.model };
    const chunk = (delta: unknown, finish_reason: string | null = null): Frame => ({
      bytes: data({ ...head, choices: [{ index: 0, delta, finish_reason }] }),
    });
    yield chunk({ role: 'assistant', content: '' });
    if (reply.thinking) yield chunk({ reasoning_content: reply.thinking });
    for (const piece of textPieces(fullText(reply))) yield chunk({ content: piece });
    yield middle;
    for (const [index, tool] of (reply.tools ?? []).entries()) yield chunk({ tool_calls: [{ index, ...toolCall(tool, call) }] });
    yield chunk({}, finishReason(reply));
    const usage = told(spelledOut(reply.usage));
    yield { bytes: data({ ...head, choices: [], usage: wireUsage(usage) }), tells: usage };
    yield { bytes: 'data: [DONE]\n\n' };
  },

  whole(reply, call) {
    const usage = told(spelledOut(reply.usage));
    const text = fullText(reply);
    const message = {
      role: 'assistant',
      content: text || null,
      ...(reply.thinking ? { reasoning_content: reply.thinking } : {}),
      ...(reply.tools?.length ? { tool_calls: reply.tools.map((tool) => toolCall(tool, call)) } : {}),
    };
    return {
      json: {
        id: call.id('chatcmpl'),
        object: 'chat.completion',
        created: seconds(),
        model: call.model,
        choices: [{ index: 0, message, finish_reason: finishReason(reply) }],
        usage: wireUsage(usage),
      },
      tells: usage,
    };
  },

  streamError: (error) => data({ error }),

  errorBody: (status, message) => ({
    error: { message, type: status === 401 ? 'authentication_error' : 'scripted_error', code: `scripted_${status}` },
  }),
};

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

function toolCall({ name, input }: ToolCall, call: Call): Readonly<Record<string, unknown>> {
  return { id: call.id('call'), type: 'function', function: { name, arguments: argumentsOf(input) } };
}

function finishReason(reply: Reply): string {
  return reply.stopReason ?? (reply.tools?.length ? 'tool_calls' : 'stop');
}

function told(usage: FullUsage): FullUsage {
  return {
    ...usage,
    input_tokens: usage.input_tokens + usage.cache_creation_input_tokens,
    cache_creation_input_tokens: 0,
    cache_creation_1h_input_tokens: 0,
  };
}

function wireUsage(usage: FullUsage): Readonly<Record<string, unknown>> {
  const prompt = usage.input_tokens + usage.cache_read_input_tokens;
  const completion = usage.output_tokens + usage.reasoning_output_tokens;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cache_read_input_tokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoning_output_tokens },
  };
}
