import { parseDuration } from '@singletree/core/local';
import { badInput } from '../failure.ts';

/** A time that was typed, or one so long ago. */
export function momentOf(flag: string, text: string, now: number): Date {
  const ago = parseDuration(text);
  const at = new Date(ago === undefined ? (/^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN) : now - ago);
  if (Number.isNaN(at.getTime())) {
    throw badInput(`${flag} "${text}" is no time`, 'write for example 30d, 12h, 2026-11-20 or 2026-11-20T08:00:00Z');
  }
  return at;
}
