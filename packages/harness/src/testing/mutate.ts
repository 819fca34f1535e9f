import { arrayOf, isJsonObject } from '../json.ts';
import { below, pick } from './random.ts';

type Random = () => number;

/** Lines of other CLIs, which a decoder must not take for its own. */
const foreignLines: readonly string[] = [
  '{"type":"system","subtype":"init","session_id":"s","model":"m","claude_code_version":"1"}',
  '{"type":"assistant","message":{"id":"m1","model":"m","usage":{"input_tokens":1,"output_tokens":1},"content":[{"type":"text","text":"x"}]}}',
  '{"type":"result","subtype":"success","is_error":false,"total_cost_usd":1,"modelUsage":{"m":{"inputTokens":1,"costUSD":1}}}',
  '{"type":"thread.started","thread_id":"t"}',
  '{"type":"turn.completed","usage":{"input_tokens":5,"cached_input_tokens":9,"output_tokens":1,"reasoning_output_tokens":3}}',
  '{"type":"step_finish","sessionID":"s","part":{"messageID":"m","reason":"stop","cost":1,"tokens":{"input":1,"cache":{"read":1}}}}',
  '{"jsonrpc":"2.0","method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk"}}}',
  'Error: something broke',
  '',
];

/** Names that mean something to every object of JavaScript. */
const inherited = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length'];

const words: readonly unknown[] = [
  null,
  true,
  false,
  [],
  {},
  [null],
  [[]],
  { type: 7 },
  '',
  'x',
  '7',
  '-1',
  'NaN',
  '\u0000',
  '\ud800',
  'é€😀',
  '\u001b[2J',
];
const numbers: readonly unknown[] = [0, -1, -7, 0.5, 1e-7, 1e300, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -(2 ** 53)];
const values: readonly unknown[] = [...words, ...numbers, ...inherited];

/** What can only be written in JSON's own words. */
const literals: readonly string[] = ['1e999', '-1e999', '-0', '12345678901234567890', '1.0000000000000000000001', '"\\ud83d"', '"\\u0000"'];

/** What stands for a literal until the line has been written. */
const literalMark = '\u0001literal\u0001';

/** Changes recordings at random into what no CLI would print. */
export class Mutator {
  readonly #random: Random;
  /** Texts of the recordings, to stand where they do not belong: ids above all. */
  readonly #texts: readonly string[];

  constructor(random: Random, recordings: readonly Uint8Array[]) {
    this.#random = random;
    const texts = new Set<string>();
    for (const bytes of recordings) {
      for (const [, text = ''] of Buffer.from(bytes)
        .toString('utf8')
        .matchAll(/"([\w./:-]{1,64})"/g)) {
        if (texts.size < 1000) texts.add(text);
      }
    }
    this.#texts = [...texts, 'x'];
  }

  /** Most lines are changed; `changed` says how many, at least one. */
  mutate(bytes: Uint8Array): { readonly bytes: Buffer; readonly changed: number } {
    const lines = Buffer.from(bytes).toString('utf8').split('\n');
    const certain = below(this.#random, lines.length);
    const out: Buffer[] = [];
    let changed = 0;
    for (const [at, line] of lines.entries()) {
      const isChanged = at === certain || this.#random() < 0.75;
      if (isChanged) changed += 1;
      out.push(isChanged ? this.#changeOrder(line, lines) : Buffer.from(line), Buffer.from(this.#random() < 0.02 ? '\r\n' : '\n'));
    }
    return { bytes: Buffer.concat(this.#random() < 0.5 ? out : out.slice(0, -1)), changed };
  }

  #changeOrder(line: string, lines: readonly string[]): Buffer {
    switch (below(this.#random, 16)) {
      case 0:
        return Buffer.alloc(0);
      case 1:
        return Buffer.from(`${line}\n${line}`);
      case 2:
        return Buffer.from(pick(this.#random, lines));
      case 3:
        return Buffer.from(`${pick(this.#random, foreignLines)}\n${line}`);
      case 4:
        return Buffer.from(line + pick(this.#random, lines));
      default:
        return this.#changeBytes(this.#changeText(line));
    }
  }

  #changeBytes(line: string): Buffer {
    const bytes = Buffer.from(line);
    if (this.#random() > 0.1) return bytes;
    const at = below(this.#random, bytes.length + 1);
    const wrong = pick(this.#random, [[0xff, 0xfe], [0xc3], [0x80], [0x00], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(wrong), bytes.subarray(at + below(this.#random, 3))]);
  }

  #changeText(line: string): string {
    const at = below(this.#random, line.length + 1);
    switch (below(this.#random, 12)) {
      case 0:
        return line.slice(0, at);
      case 1:
        return line.slice(0, at) + String.fromCharCode(below(this.#random, 0x300)) + line.slice(at + below(this.#random, 3));
      case 2: // a key that comes twice
        return line.replace('{', () => `{"${pick(this.#random, ['type', 'id', 'usage', 'message', ...this.#texts])}":${this.#literal()},`);
      case 3: // brackets without an end, deeper than a stack
        return this.#random() < 0.05 ? line.slice(0, at) + '['.repeat(20_000) + line.slice(at) : line;
      default:
        return this.#changeJson(line);
    }
  }

  #changeJson(line: string): string {
    try {
      let json: unknown = JSON.parse(line);
      for (let left = 1 + below(this.#random, 3); left > 0; left -= 1)
        json = this.#changeAt(json, { left: below(this.#random, nodes(json)) });
      const written = JSON.stringify(json) ?? 'null';
      return written.replaceAll(JSON.stringify(literalMark), () => this.#literal());
    } catch {
      return line; // was no JSON before either
    }
  }

  /** Changes one node, wherever it is; `place` counts down to it. */
  #changeAt(value: unknown, place: { left: number }): unknown {
    if (place.left === 0) {
      place.left -= 1;
      return isJsonObject(value) ? this.#changeObject(value) : this.#wrong(value);
    }
    place.left -= 1;
    if (Array.isArray(value)) return arrayOf(value).map((entry) => (place.left < 0 ? entry : this.#changeAt(entry, place)));
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, place.left < 0 ? entry : this.#changeAt(entry, place)]));
  }

  #changeObject(value: Readonly<Record<string, unknown>>): unknown {
    const entries = Object.entries(value);
    const at = below(this.#random, entries.length + 1);
    const [key = 'x', old] = entries[at] ?? [];
    switch (below(this.#random, 6)) {
      case 0:
        return Object.fromEntries(entries.filter(([name]) => name !== key));
      case 1: // another name for it
        return Object.fromEntries(
          entries.map(([name, entry]) => [name === key ? pick(this.#random, [...inherited, 'x'.repeat(70_000)]) : name, entry]),
        );
      case 2:
        return Object.fromEntries([...entries, [pick(this.#random, inherited), { type: key, input_tokens: -1 }]]);
      case 3:
        return entries.map(([, entry]) => entry);
      case 4:
        return Object.fromEntries([...entries, [key, this.#wrong(old)]]);
      default:
        return this.#wrong(value);
    }
  }

  #wrong(value: unknown): unknown {
    switch (below(this.#random, 12)) {
      case 0:
        return literalMark;
      case 1:
        return [value, value];
      case 2:
        return { value };
      case 3:
        return String(value);
      case 4:
      case 5:
      case 6:
        return pick(this.#random, this.#texts);
      case 7:
        return this.#random() < 0.1 ? 'a"\n😀'.repeat(10_000) : `${String(value)}é€😀`;
      case 8:
        return nested(20);
      default:
        return pick(this.#random, values);
    }
  }

  #literal(): string {
    // As deep as JSON can be read, and not be written again.
    return this.#random() < 0.03 ? '['.repeat(20_000) + ']'.repeat(20_000) : pick(this.#random, literals);
  }
}

function nested(depth: number): unknown {
  let value: unknown = 'x';
  for (let at = 0; at < depth; at += 1) value = [value];
  return value;
}

/** How many values a value holds, itself included. */
function nodes(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, entry) => sum + nodes(entry), 1);
}
