const replacement = Buffer.from('\ufffd');

/** Offset of the first byte that is not part of a character of UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
export function invalidUtf8At(bytes: Uint8Array): number | undefined {
  let offset = 0;
  for (const valid of new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).split('\ufffd')) {
    offset += Buffer.byteLength(valid);
    // The decoder puts the replacement character where a byte is wrong; the text may also hold one itself.
    if (!replacement.equals(bytes.subarray(offset, offset + replacement.length))) break;
    offset += replacement.length;
  }
  return offset < bytes.length ? offset : undefined;
}
