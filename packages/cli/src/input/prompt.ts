import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { badInput, type CommandFailure } from '../failure.ts';

/** What the daemon takes. */
const mostBytes = 1024 * 1024;

/**
 * The prompt that was typed, or read from standard input where `-` was typed. Byte for byte: nothing is trimmed, a byte order mark stays.
 * Throws what cannot be a prompt, with the offset of the first byte that is wrong.
 */
export async function readPrompt(typed: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  return typed === '-' ? promptOf(await readAll(stdin), 'standard input') : promptOf(bytesOfArgument(typed), 'the prompt');
}

/** Bytes as text. `source` says where they come from. */
export function promptOf(bytes: Uint8Array, source: string): string {
  if (bytes.length > mostBytes) throw tooLong(source);
  if (!isUtf8(bytes)) throw wrongByte(source, validUtf8Prefix(bytes), 'is not valid UTF-8');
  const nul = bytes.indexOf(0);
  if (nul >= 0) throw wrongByte(source, nul, 'holds a NUL');
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (text.trim() === '')
    throw badInput(`${source} is empty`, 'say what should be done: singletree run "make the failing test pass"', 'EMPTY_PROMPT');
  return text;
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    length += chunk.length;
    // Whoever pipes an endless stream gets an answer too.
    if (length > mostBytes) throw tooLong('standard input');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The bytes of an argument as the shell gave them. Node replaces what is not UTF-8 by U+FFFD; the kernel still has the original.
 */
function bytesOfArgument(typed: string): Uint8Array {
  if (!typed.includes('\ufffd')) return Buffer.from(typed);
  const given = splitAtNul(readFileSync('/proc/self/cmdline')).find((bytes) => bytes.toString() === typed);
  return given ?? Buffer.from(typed);
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    parts.push(bytes.subarray(from, end < 0 ? bytes.length : end));
    from = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}

/** One character of UTF-8, as bytes: no overlong form, no surrogate, nothing above U+10FFFF. */
const character =
  /[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/y;

/** How many bytes at the beginning are whole characters of UTF-8. */
function validUtf8Prefix(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString('latin1');
  character.lastIndex = 0;
  let end = 0;
  while (character.test(text)) end = character.lastIndex;
  return end;
}

function wrongByte(source: string, offset: number, what: string): CommandFailure {
  return badInput(`${source} ${what} at byte ${offset}`, 'a prompt is text in UTF-8 without NUL', 'INVALID_PROMPT', {
    offset: String(offset),
  });
}

function tooLong(source: string): CommandFailure {
  return badInput(
    `${source} is longer than ${mostBytes} bytes`,
    'put the rest into a file of the repository and name it with --context',
    'INVALID_PROMPT',
  );
}
