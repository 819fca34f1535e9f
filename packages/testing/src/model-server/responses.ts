import { argumentsOf, fullText, middle, serverSentEvent, textPieces } from './frame.ts';
import { spelledOut } from './usage.ts';
import type { Call, Encoder } from './frame.ts';
import type { Reply, ToolCall } from './script.ts';
import type { FullUsage } from './usage.ts';

/** OpenAI Responses. Its `input_tokens` include what is read from and written to the cache, its `output_tokens` include reasoning. */
export const responses: Encoder = {
  *stream(reply, call) {
    const response = { id: call.id('resp'), object: 'response', model: call.model };
    yield { bytes: serverSentEvent({ type: 'response.created', response: { ...response, status: 'in_progress', output: [] } }) };
    const output: Item[] = [];
    const added = (item: Item): string => serverSentEvent({ type: 'response.output_item.added', output_index: output.length, item });
    const done = (item: Item): string => serverSentEvent({ type: 'response.output_item.done', output_index: output.push(item) - 1, item });

    for (const item of reasoning(reply, call)) {
      yield { bytes: added({ ...item, summary: [] }) };
      yield { bytes: done(item) };
    }
    const [spoken] = message(reply, call);
    if (spoken) {
      const place = { item_id: spoken.id, output_index: output.length, content_index: 0 };
      yield { bytes: added({ ...spoken, status: 'in_progress', content: [] }) };
      yield { bytes: serverSentEvent({ type: 'response.content_part.added', ...place, part: { type: 'output_text', text: '' } }) };
      for (const piece of textPieces(fullText(reply)))
        yield { bytes: serverSentEvent({ type: 'response.output_text.delta', ...place, delta: piece }) };
    }
    yield middle;
    if (spoken) yield { bytes: done(spoken) };
    for (const tool of reply.tools ?? []) {
      const item = toolItem(tool, call);
      yield { bytes: added({ ...item, status: 'in_progress' }) };
      yield { bytes: done(item) };
    }
    const usage = spelledOut(reply.usage);
    yield {
      bytes: serverSentEvent({
        type: 'response.completed',
        response: { ...response, status: 'completed', output, usage: wireUsage(usage) },
      }),
      tells: told(usage),
    };
  },

  whole(reply, call) {
    const usage = spelledOut(reply.usage);
    const output = [...reasoning(reply, call), ...message(reply, call), ...(reply.tools ?? []).map((tool) => toolItem(tool, call))];
    return {
      json: { id: call.id('resp'), object: 'response', model: call.model, status: 'completed', output, usage: wireUsage(usage) },
      tells: told(usage),
    };
  },

  streamError: ({ code = 'server_is_overloaded', message: text }, call) =>
    serverSentEvent({ type: 'response.failed', response: { id: call.id('resp'), status: 'failed', error: { code, message: text } } }),

  errorBody: (status, text) => ({
    error: { message: text, type: status === 401 ? 'authentication_error' : 'scripted_error', code: `scripted_${status}` },
  }),
};

interface Item {
  readonly type: string;
  readonly id: string;
  readonly [field: string]: unknown;
}

function reasoning({ thinking }: Reply, call: Call): readonly Item[] {
  return thinking
    ? [{ type: 'reasoning', id: call.id('rs'), summary: [{ type: 'summary_text', text: thinking }], encrypted_content: null }]
    : [];
}

function message(reply: Reply, call: Call): readonly Item[] {
  const text = fullText(reply);
  const content = [{ type: 'output_text', text, annotations: [] }];
  return text ? [{ type: 'message', id: call.id('msg'), role: 'assistant', status: 'completed', content }] : [];
}

function toolItem({ name, input, namespace }: ToolCall, call: Call): Item {
  const shared = { call_id: call.id('call'), name, status: 'completed' };
  return typeof input === 'string'
    ? { type: 'custom_tool_call', id: call.id('ctc'), ...shared, input }
    : {
        type: 'function_call',
        id: call.id('fc'),
        ...shared,
        ...(namespace === undefined ? {} : { namespace }),
        arguments: argumentsOf(input),
      };
}

/** The protocol does not tell lifetimes of cache writes. */
function told(usage: FullUsage): FullUsage {
  return { ...usage, cache_creation_1h_input_tokens: 0 };
}

function wireUsage(usage: FullUsage): Readonly<Record<string, unknown>> {
  const input = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const output = usage.output_tokens + usage.reasoning_output_tokens;
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cache_read_input_tokens, cache_write_tokens: usage.cache_creation_input_tokens },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning_output_tokens },
    total_tokens: input + output,
  };
}
