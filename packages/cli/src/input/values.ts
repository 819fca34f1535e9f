import { nearest, parseDuration, parseSize } from '@singletree/core/local';
import { badInput } from '../failure.ts';
import { longestMs } from './durations.ts';
import { microsOf } from './numbers.ts';
import type { Place } from './yaml-place.ts';

/** All that the members of a mapping say together. */
export function fold<T extends object>(
  place: Place,
  what: string,
  readers: Readonly<Record<string, (place: Place, folder: string) => T>>,
  folder = '',
): T {
  const parts = place.members(what).map(([key, member]) => {
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (!read) throw unknownKey(key, member, Object.keys(readers));
    return read(member, folder);
  });
  return Object.assign({}, ...parts) as T;
}

/** What others call it, for the hint alone. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['prompt', 'instructions'],
  ['description', 'instructions'],
  ['criteria', 'acceptance_criteria'],
  ['type', 'task_type'],
  ['agent', 'harness'],
  ['command', 'run'],
  // In the configuration.
  ['max_cost_usd', 'cost_usd'],
]);

export function unknownKey(key: string, place: Place, known: readonly string[]): Error {
  const meant = known.find((name) => name === otherNames.get(key)) ?? nearest(key, known);
  const hint = [`known keys: ${known.join(', ')}`, ...(meant === undefined ? [] : [`did you mean ${meant}?`])].join('\n');
  return badInput(`unknown key "${key}" in ${place.where}`, hint, 'INVALID_REQUEST', { key });
}

export function word<W extends string>(place: Place, words: readonly W[]): W {
  const found = words.find((each) => each === place.value);
  if (found !== undefined) return found;
  const meant = typeof place.value === 'string' ? nearest(place.value, words) : undefined;
  throw place.wrong(
    `${JSON.stringify(place.value)} is not one of ${words.join(', ')}`,
    meant === undefined ? undefined : `did you mean ${meant}?`,
  );
}

export function durationOf(place: Place): number {
  const ms = parseDuration(place.text('a duration such as 90s, 5m or 1h30m'));
  if (ms === undefined || ms <= 0) throw place.wrong(`"${String(place.value)}" is not a duration`, 'write for example 90s, 5m or 1h30m');
  if (ms > longestMs) throw place.wrong('a duration must be at most 365d');
  return ms;
}

export function sizeOf(place: Place): number {
  const bytes = parseSize(String(place.value));
  if (bytes === undefined || bytes <= 0) throw place.wrong(`"${String(place.value)}" is not a size`, 'write for example 64MiB');
  if (!Number.isSafeInteger(bytes)) throw place.wrong('a size must be less than 8192 TiB');
  return bytes;
}

export function wholeNumber(place: Place): number {
  const { value } = place;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw place.wrong(`expected a whole number, found ${JSON.stringify(value)}`);
  if (Math.abs(value) >= 2 ** 31) throw place.wrong(`${value} is too large a number`);
  return value;
}

/** As many as a number can count. */
export function countOf(place: Place): number {
  if (typeof place.value === 'number' && Number.isSafeInteger(place.value) && place.value > 0) return place.value;
  throw place.wrong(`expected a whole number from 1 on, found ${JSON.stringify(place.value)}`);
}

/** US dollars, as millionths. */
export function usdOf(place: Place): number {
  const micros = typeof place.value === 'number' ? microsOf(place.value) : undefined;
  if (micros !== undefined) return micros;
  throw place.wrong(`expected US dollars such as 2.50, found ${JSON.stringify(place.value)}`);
}

/** A number of a range, which need not be whole. */
export function numberFrom(least: number, most: number): (place: Place) => number {
  return (place) => {
    if (typeof place.value === 'number' && place.value >= least && place.value <= most) return place.value;
    throw place.wrong(`expected a number from ${least} to ${most}, found ${JSON.stringify(place.value)}`);
  };
}

/** What a reader gives, or 0 for a plain 0, which needs no unit. */
export function orNone(read: (place: Place) => number): (place: Place) => number {
  return (place) => (place.value === 0 ? 0 : read(place));
}

export function truth(place: Place): boolean {
  if (typeof place.value === 'boolean') return place.value;
  throw place.wrong(`expected true or false, found ${JSON.stringify(place.value)}`);
}
