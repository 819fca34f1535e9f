import { stripVTControlCharacters } from 'node:util';

/** Control and format characters that can hide text, turn its direction or move a cursor. Tabs and line breaks stay. */
const controls = /[^\P{Cc}\t\n]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * The end of a program's output as text that is safe to show and to hand to an agent. Bytes that begin in the middle of a character lose the rest
 * of it; what is no UTF-8 at all becomes U+FFFD.
 *
 * @param most bytes; the text is at most as long, measured before it is made readable
 */
export function readableEnd(output: Uint8Array, most: number): string {
  let start = Math.max(0, output.length - most);
  // Continuation bytes of a character that was cut, at most three.
  for (let cut = 0; start > 0 && cut < 3 && ((output[start] ?? 0) & 0xc0) === 0x80; cut += 1) start += 1;
  const text = new TextDecoder('utf-8').decode(output.subarray(start));
  return stripVTControlCharacters(text).replaceAll('\r\n', '\n').replaceAll('\r', '\n').replace(controls, '');
}
