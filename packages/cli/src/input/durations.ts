import { badInput } from '../failure.ts';

/** Milliseconds of a flag's value such as `90s`, `5m` or `1h30m`. */
export async function readDuration(flag: string, text: string): Promise<number> {
  const { parseDuration } = await import('@singletree/core/local');
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw badInput(`${flag} "${text}" is not a duration`, 'write for example 90s, 5m or 1h30m', 'INVALID_LIMIT');
}
