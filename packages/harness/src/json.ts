/** A parsed JSON object of which nothing is known yet. Read its fields with the functions below: a CLI's next version may change any. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deepest nesting that is read. What is much deeper can be parsed, but overflows the stack of whatever walks through it. */
const deepest = 500;

/** The JSON object that a text is; undefined for anything else. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    // A number that is too large for any is read as Infinity, which no JSON could hold again.
    const value: unknown = /\d[eE]\+?\d{3}/.test(text)
      ? JSON.parse(text, (_, entry: unknown) => (isEndless(entry) ? null : entry))
      : JSON.parse(text);
    return isJsonObject(value) && !(brackets(text) > deepest && isDeeper(value, deepest)) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEndless(value: unknown): boolean {
  return value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
}

/** No value is nested deeper than this. */
function brackets(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) count += 1;
  }
  return count;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((entry) => isDeeper(entry, levels - 1));
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** An object's own fields; an empty object for anything else. */
export function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** What a table says of a name that comes from outside: never what every object inherits. */
export function entryOf<T>(table: Readonly<Record<string, T>>, name: unknown): T | undefined {
  return typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;
}

export function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A count that can be believed: a whole number from 0 to 2^53 − 1. */
export function countOf(value: unknown): number | undefined {
  // Negative zero becomes zero.
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value + 0 : undefined;
}

/** The fields of an object that are counts: what of it can be stored and differenced, whatever else a file holds. */
export function countsIn(value: unknown): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(objectOf(value)).flatMap(([name, entry]) => {
      const count = countOf(entry);
      // What every object inherits is no name of a count.
      return count === undefined || name === '__proto__' ? [] : [[name, count]];
    }),
  );
}

/** Largest amount: its millionths can still be counted. */
const largestAmount = Number.MAX_SAFE_INTEGER / 1_000_000;

/** An amount that can be believed, of money or of milliseconds: a number from 0 to 9 × 10^9. */
export function amountOf(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= largestAmount ? value + 0 : undefined;
}

/** The end of the year 9999: the last instant that calendars, and the daemon's own API, can tell. */
const lastInstantMs = 253_402_300_799_999;

/** An instant that can be believed, in whole milliseconds since 1970. `unit` is how many milliseconds the value counts in: 1000 for seconds. */
export function instantOf(value: unknown, unit = 1): number | undefined {
  if (typeof value !== 'number' || !(value >= 0)) return undefined;
  const ms = Math.round(value * unit) + 0;
  return ms <= lastInstantMs ? ms : undefined;
}

/** The status of an HTTP response. */
export function httpStatusOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 999 ? value : undefined;
}
