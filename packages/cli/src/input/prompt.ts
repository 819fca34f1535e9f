import { invalidUtf8At } from '@singletree/core/local';
import { badInput, type CommandFailure } from '../failure.ts';
import { bytesOfArgument } from './argument-bytes.ts';

/** What the daemon takes. */
const mostBytes = 1024 * 1024;

/**
 * The prompt that was typed, or read from standard input where `-` was typed. Byte for byte: nothing is trimmed, a byte order mark stays.
 * Throws what cannot be a prompt, with the offset of the first byte that is wrong.
 */
export async function readPrompt(typed: string, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  return typed === '-'
    ? promptOf(await readAll(stdin), 'standard input')
    : promptOf(bytesOfArgument(typed) ?? Buffer.from(typed), 'the prompt');
}

/** Bytes as text. `source` says where they come from. */
export function promptOf(bytes: Uint8Array, source: string): string {
  if (bytes.length > mostBytes) throw tooLong(source);
  const invalid = invalidUtf8At(bytes);
  if (invalid !== undefined) throw wrongByte(source, invalid, 'is not valid UTF-8');
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
