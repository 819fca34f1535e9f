import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from './error-code.ts';

/**
 * Puts a whole file in place or none: written aside, synced, then `replace` renames it over what is there, `claim` links it where nothing
 * may be yet. False: somebody else's file was there first. `around` is told just before and after that moment.
 */
export async function placeFile(
  path: string,
  content: string | Uint8Array,
  how: 'replace' | 'claim',
  around?: (moment: 'before' | 'after') => void | Promise<void>,
): Promise<boolean> {
  // Never a name that could be used twice: a linked file shares its content with the temporary name it came from.
  const temporary = `${path}.${randomUUID()}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await around?.('before');
    await (how === 'replace' ? rename(temporary, path) : link(temporary, path));
    await around?.('after');
  } catch (error) {
    if (how === 'claim' && hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

export function parseFile(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
