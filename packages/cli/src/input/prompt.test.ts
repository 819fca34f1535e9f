import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { promptOf, readPrompt } from './prompt.ts';

const mebibyte = 1024 * 1024;

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

describe('arrives byte for byte, however the pipe cuts it', () => {
  test.each([
    ['a dash first', '-rf /'],
    ['a slash first', '/compact now'],
    ['a command', '$(rm -rf /) `id` "quotes" \\'],
    ['CRLF, tabs and blanks around', '\r\n\t do it \r\n\n'],
    ['an escape', 'a\u001b[31mb'],
    ['a byte order mark', '\ufeffdo it'],
    ['one in the middle', 'do \ufeff it'],
    ['the replacement character itself', 'a \ufffd b'],
    ['four bytes a character', '𝔡𝔬 👩‍👩‍👧'],
    ['the last code point', '\u{10ffff}'],
    ['1 MiB', 'é'.repeat(mebibyte / 2)],
  ])('%s', async (_, text) => {
    const bytes = Buffer.from(text);
    const got = await readPrompt('-', chunks(bytes, bytes.length > 100 ? 65_537 : 1));
    expect(Buffer.from(got).equals(bytes)).toBe(true);
  });

  test('as an argument too', async () => {
    for (const text of ['--', ' - ', '\ufeffx', 'a \ufffd b']) expect(await readPrompt(text, chunks(Buffer.alloc(0), 1))).toBe(text);
  });
});

describe('other bytes are refused with their offset', () => {
  test.each<[string, number[] | Buffer, number]>([
    ['a lone continuation', [0x61, 0x80], 1],
    ['a byte that no encoding has', [0xff], 0],
    ['Latin-1', Buffer.from('caf\u00e9 au lait', 'latin1'), 3],
    ['a character that is cut off', [0x61, 0x62, 0xc3], 2],
    ['an overlong slash', [0xc0, 0xaf], 0],
    ['an overlong form of three bytes', [0x61, 0xe0, 0x80, 0xaf], 1],
    ['a surrogate', [0xed, 0xa0, 0x80], 0],
    ['above U+10FFFF', [0xf0, 0x9f, 0x91, 0xa9, 0xf4, 0x90, 0x80, 0x80], 4],
    ['after many good characters', Buffer.concat([Buffer.from('é'.repeat(200_000)), Buffer.from([0xfe])]), 400_000],
  ])('%s', (_, bytes, offset) => {
    expect(() => promptOf(Buffer.from(bytes), 'standard input')).toThrow(
      expect.objectContaining({
        message: `standard input is not valid UTF-8 at byte ${offset}`,
        reason: 'INVALID_PROMPT',
        exitCode: 2,
        metadata: { offset: String(offset) },
      }),
    );
  });

  test('NUL, counted in bytes', () => {
    expect(() => promptOf(Buffer.from('é\0'), 'the prompt')).toThrow('the prompt holds a NUL at byte 2');
  });
});

test.each(['', ' \n\t\r\n'])('%j says nothing', (text) => {
  expect(() => promptOf(Buffer.from(text), 'the prompt')).toThrow(expect.objectContaining({ reason: 'EMPTY_PROMPT', exitCode: 2 }));
});

test('more than 1 MiB is refused without reading on', async () => {
  let given = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; given < 100; given++) yield Buffer.alloc(mebibyte / 4, 'a');
  }
  await expect(readPrompt('-', endless())).rejects.toThrow('standard input is longer than 1048576 bytes');
  expect(given).toBeLessThan(6);
});
