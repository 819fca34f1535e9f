import { isUtf8 } from 'node:buffer';

/**
 * A path as git prints it under `-z`: its bytes, one character each (latin1). File names on Linux are bytes, and one that is no UTF-8
 * would not survive as text.
 */
export type RawPath = string;

/** The records of a `-z` listing. */
export function splitNul(listing: Buffer): RawPath[] {
  const records = listing.toString('latin1').split('\0');
  records.pop();
  return records;
}

/** Standard input for `-z --stdin`. */
export function joinNul(paths: readonly RawPath[]): Buffer {
  return Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
}

export function rawOf(text: string): RawPath {
  return Buffer.from(text).toString('latin1');
}

/** A raw path below a directory, for `node:fs`. */
export function absolute(root: string, path: RawPath): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
}

/** A path for records and people: as it is, or quoted as git quotes it where it is no UTF-8. */
export function shown(path: RawPath): string {
  const bytes = Buffer.from(path, 'latin1');
  if (isUtf8(bytes)) return bytes.toString();
  const octal = (byte: string): string => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`;
  return `"${path.replace(/["\\]/g, '\\$&').replace(/[^ -~]/g, octal)}"`;
}
