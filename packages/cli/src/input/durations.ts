import { badInput } from '../failure.ts';

/** As in the configuration. Much more has no words on the wire. */
export const longestMs: number = 365 * 86_400_000;

/** Milliseconds of a flag's value such as `90s`, `5m` or `1h30m`. */
export async function readDuration(flag: string, text: string): Promise<number> {
  const { parseDuration } = await import('@singletree/core/local');
  const ms = parseDuration(text);
  if (ms !== undefined && ms > longestMs) throw badInput(`${flag} "${text}": a duration must be at most 365d`, undefined, 'INVALID_LIMIT');
  if (ms !== undefined && ms > 0) return ms;
  throw badInput(`${flag} "${text}" is not a duration`, 'write for example 90s, 5m or 1h30m', 'INVALID_LIMIT');
}
