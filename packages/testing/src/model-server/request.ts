import { isJsonObject } from '@singletree/harness';
import type { IncomingHttpHeaders } from 'node:http';

export type Protocol = 'anthropic' | 'responses' | 'chat';

/** A request as it was received. */
export interface ModelRequest {
  /** What kind of request: a model call in one of three protocols, a count of tokens, or anything else (probes, lists of models). */
  readonly protocol: Protocol | 'count_tokens' | 'other';
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** With every secret replaced by the word `secret`. */
  readonly headers: IncomingHttpHeaders;
  /** The body as text. */
  readonly raw: string;
  /** The body parsed as JSON; undefined if it is empty or not JSON. */
  readonly body: unknown;
  /** All that the request says to the model, decoded: instructions, messages, results of tools; parts separated by line feeds. */
  readonly text: string;
  /** The model that is asked for. */
  readonly model: string;
  /** The names of the tools that the model may call. */
  readonly tools: readonly string[];
  /** A model call without tools: a title, a summary. */
  readonly side: boolean;
  readonly stream: boolean;
  /** When it was complete, in milliseconds since 1970. */
  readonly at: number;
}

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly at: number;
}

/** Reads what was received. Never throws: a body that is not JSON is an `other` request. */
export function readRequest({ method, path, headers, raw, at }: ReceivedRequest): ModelRequest {
  const body = parse(raw);
  const protocol = isJsonObject(body) && method === 'POST' ? protocolOf(path) : 'other';
  const { tools, model, stream } = isJsonObject(body) ? body : {};
  const names = Array.isArray(tools) ? tools.map(toolName) : [];
  return {
    protocol,
    method,
    path,
    headers: withoutSecrets(headers),
    raw,
    body,
    text: [...spoken(body)].join('\n'),
    model: typeof model === 'string' ? model : 'unknown',
    tools: names,
    side: names.length === 0 && (protocol === 'anthropic' || protocol === 'responses' || protocol === 'chat'),
    stream: stream === true,
    at,
  };
}

function protocolOf(path: string): ModelRequest['protocol'] {
  const [route = ''] = path.split('?');
  if (route.endsWith('/messages/count_tokens')) return 'count_tokens';
  if (route.endsWith('/messages')) return 'anthropic';
  if (route.endsWith('/responses')) return 'responses';
  if (route.endsWith('/chat/completions')) return 'chat';
  return 'other';
}

/** Chat Completions nests the name; a built-in tool of the Responses protocol has only a type. */
function toolName(tool: unknown): string {
  if (!isJsonObject(tool)) return 'unknown';
  const inner = isJsonObject(tool['function']) ? tool['function'] : tool;
  return [inner['name'], tool['type']].find((name) => typeof name === 'string') ?? 'unknown';
}

/** The keys under which the three protocols keep what the model reads. */
const speaking = new Set(['system', 'instructions', 'messages', 'input', 'content', 'text', 'output', 'summary', 'thinking', 'parts']);

function* spoken(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (Array.isArray(value)) for (const item of value) yield* spoken(item);
  else if (isJsonObject(value)) for (const [key, inner] of Object.entries(value)) if (speaking.has(key)) yield* spoken(inner);
}

function withoutSecrets(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, /auth|key|cookie|token/.test(name) ? 'secret' : value]));
}

function parse(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}
