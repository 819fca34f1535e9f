import { DomainError } from '../errors.ts';
import { toConnectError } from './connect-error.ts';

/**
 * How the JSON of a request is read. Connect's own decoder puts U+FFFD where bytes are no UTF-8, so that an agent would get another prompt
 * than was sent; this one refuses them. Connect takes it with its options for JSON, without naming it in their type.
 *
 * A field or a word that is not known is refused too, where Connect would pass over it: JSON is what people write by hand, and
 * a task with `"permissions": "read"` or a misspelt limit would be run without that limit.
 */
export const jsonOptions: { readonly ignoreUnknownFields: boolean; readonly textDecoder: { decode(bytes?: Uint8Array): string } } = {
  ignoreUnknownFields: false,
  textDecoder: { decode: decodeStrictly },
};

function decodeStrictly(bytes: Uint8Array = new Uint8Array()): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const offset = String(firstWrongByte(bytes));
    const hint = 'a request in JSON is text in UTF-8';
    throw toConnectError(new DomainError('INVALID_PROMPT', `the request is not UTF-8 at byte ${offset}`, { hint, metadata: { offset } }));
  }
}

/** Where the text stops being UTF-8; its length if it ends in the middle of a character. */
function firstWrongByte(bytes: Uint8Array): number {
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (beginsWell(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function beginsWell(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
