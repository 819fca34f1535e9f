import type { Reply } from './script.ts';
import type { FullUsage } from './usage.ts';

/** A piece of an answer on the wire. */
export interface Frame {
  readonly bytes: string;
  /** The usage that a client knows once it has read these bytes, where they tell one. */
  readonly tells?: FullUsage;
}

/** Where an answer is cut, hangs or turns into an error: all text was said, nothing was closed. */
export const middle = 'middle';

type Frames = Generator<Frame | typeof middle>;

/** How one protocol puts replies on the wire. */
export interface Encoder {
  stream(reply: Reply, call: Call): Frames;
  /** The whole answer as one JSON value, for a request that does not stream. */
  whole(reply: Reply, call: Call): { readonly json: unknown; readonly tells: FullUsage };
  /** An error event within a stream. */
  streamError(error: NonNullable<Reply['sseError']>, call: Call): string;
  errorBody(status: number, message: string): unknown;
}

export interface Call {
  readonly model: string;
  /** A new id with this prefix, unique among all servers of all processes. */
  id(prefix: string): string;
}

/** One server-sent event. */
export function serverSentEvent(data: { readonly type: string } & Readonly<Record<string, unknown>>): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The text of a reply in pieces of at most 64 Ki UTF-16 units, as deltas carry it. */
export function* textPieces(text: string): Generator<string> {
  const length = 64 * 1024;
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + length, text.length);
    // Never between the halves of a surrogate pair: JSON would carry both, but a client that decodes piece by piece would not.
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}

/** All that a reply says. */
export function fullText({ text = '', repeat = 1 }: Reply): string {
  return text.repeat(repeat);
}

/** A tool's arguments as JSON text; a custom tool's free text as it is. */
export function argumentsOf(input: Readonly<Record<string, unknown>> | string): string {
  return typeof input === 'string' ? input : JSON.stringify(input);
}
