import { describe, expect, test } from 'vitest';
import { maxEventBytes } from './events.ts';
import type { HarnessEvent } from './events.ts';
import { clip } from './fit.ts';
import { lineDecoder, LineSplitter, maxLineBytes } from './lines.ts';

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

function split(bytes: Uint8Array, sizes: number): { startsAt: number; endsAt: number; text: string | undefined }[] {
  const splitter = new LineSplitter();
  const lines = [];
  for (let at = 0; at < bytes.length; at += sizes) lines.push(...splitter.push(bytes.subarray(at, at + sizes)));
  const last = splitter.end();
  return last ? [...lines, last] : lines;
}

function decode(bytes: Uint8Array, chunk = bytes.length): readonly HarnessEvent[] {
  const decoder = lineDecoder('stdout', ({ text }) => (typeof text === 'string' ? [{ kind: 'text', thread: 'main', text }] : undefined));
  const events: HarnessEvent[] = [];
  for (let at = 0; at < bytes.length; at += chunk) events.push(...decoder.push(bytes.subarray(at, at + chunk)));
  return [...events, ...decoder.end()];
}

describe('lines', () => {
  test('carry the offsets of their bytes, whatever ends them, also the last one without an ending', () => {
    expect(split(utf8('é\r\n\nab'), 100)).toEqual([
      { startsAt: 0, endsAt: 4, text: 'é' },
      { startsAt: 4, endsAt: 5, text: '' },
      { startsAt: 5, endsAt: 7, text: 'ab' },
    ]);
  });

  test('begin behind a byte order mark, which some editor has put there', () => {
    expect(split(utf8('\ufeff{}\nab'), 1)).toEqual([
      { startsAt: 0, endsAt: 6, text: '{}' },
      { startsAt: 6, endsAt: 8, text: 'ab' },
    ]);
  });

  test('are the same at every chunk size, with characters of one to four bytes', () => {
    const bytes = utf8('aé€😀\r\n😀\n\n€x');
    for (let size = 1; size <= bytes.length; size += 1) expect(split(bytes, size), `chunks of ${size}`).toEqual(split(bytes, bytes.length));
  });

  test('keep no bytes of the buffer that they were read from', () => {
    const splitter = new LineSplitter();
    const buffer = utf8('abc');
    splitter.push(buffer);
    buffer.fill(0x78);
    expect(splitter.push(utf8('d\n')).map((line) => line.text)).toEqual(['abcd']);
  });

  test('longer than the limit are measured, not kept', () => {
    const bytes = Buffer.concat([Buffer.alloc(maxLineBytes + 1, 0x61), utf8('\nnext\n')]);
    expect(split(bytes, 256 * 1024)).toEqual([
      { startsAt: 0, endsAt: maxLineBytes + 2, text: undefined },
      { startsAt: maxLineBytes + 2, endsAt: maxLineBytes + 7, text: 'next' },
    ]);
    expect(split(Buffer.alloc(maxLineBytes, 0x61), 256 * 1024)[0]?.text).toHaveLength(maxLineBytes);
  });
});

describe('a line decoder', () => {
  test('gives what it cannot read as raw, in place', () => {
    const events = decode(utf8('{"text":"a"}\nno json\n[1]\n{"else":1}\n{"text":"cut'));
    expect(events.map((event) => [event.kind, event.endsAt])).toEqual([
      ['text', 13],
      ['raw', 21],
      ['raw', 25],
      ['raw', 36],
      ['raw', 48],
    ]);
  });

  test('warns of a line that is too long, at its end, and reads on', () => {
    const bytes = Buffer.concat([Buffer.alloc(maxLineBytes + 10, 0x7b), utf8('\n{"text":"after"}\n')]);
    expect(decode(bytes, 256 * 1024).map((event) => event.kind)).toEqual(['warning', 'text']);
  });

  test.each([
    ['plain', 'a'.repeat(100_000)],
    ['escapes that grow in JSON', '\u0001'.repeat(50_000)],
    ['characters of four bytes', '😀'.repeat(20_000)],
  ])('cuts long text to the longest event and points into the log: %s', (_, text) => {
    const line = utf8(`{}\n${JSON.stringify({ text })}\n`);
    const event = decode(line)[1];
    if (event?.kind !== 'text') throw new Error('not a text event');
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThanOrEqual(maxEventBytes);
    expect(text.startsWith(event.text)).toBe(true);
    expect(event.text.length).toBeGreaterThan(1000);
    expect(event.truncated).toEqual({ offset: 3, length: line.length - 3 });
  });

  test('half a character, which a CLI left where it cut a text, becomes one that can be written', () => {
    const [event] = decode(utf8('{"text":"ab\\ud83d"}\n'));
    expect(event).toMatchObject({ kind: 'text', text: 'ab\ufffd' });
  });

  test('never cuts half a character', () => {
    expect(clip('a😀b', 4)).toBe('a');
    expect(clip('a😀b', 5)).toBe('a😀');
    expect(clip('abc', 3)).toBe('abc');
  });
});
