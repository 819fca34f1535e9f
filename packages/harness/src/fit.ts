import type { HarnessEvent } from './events.ts';
import { maxEventBytes } from './events.ts';
import type { Line } from './line.ts';
import { arrayOf, isJsonObject } from './json.ts';

/** The beginning of a text, at most so many bytes of UTF-8, never half a character. */
export function clip(text: string, bytes: number): string {
  if (text.length <= bytes / 4) return text;
  const encoded = Buffer.from(text, 'utf8');
  if (encoded.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return encoded.toString('utf8', 0, end);
}

/** An event that is at most `maxEventBytes` long: its texts are cut where it is not, and those that are the whole point of the event
 *  say where the line stands that holds them in full. */
export function fit(event: HarnessEvent, line: Line): HarnessEvent {
  if (size(event) <= maxEventBytes) return event;
  const truncated = { offset: line.startsAt, length: line.endsAt - line.startsAt };
  let fitted = event.kind === 'text' || event.kind === 'raw' ? { ...event, truncated } : event;
  // Escapes make JSON longer than the text (up to six bytes for one), so that the right length is found by trying.
  for (let limit = maxEventBytes - 512; size(fitted) > maxEventBytes && limit > 0; limit = Math.floor(limit * 0.8)) {
    fitted = clipStrings(fitted, limit);
  }
  if (size(fitted) <= maxEventBytes) return fitted;
  const message = `${event.kind} event in the line at offset ${line.startsAt} of ${event.source} is longer than ${maxEventBytes} bytes: left out`;
  return { kind: 'warning', message, source: event.source, endsAt: event.endsAt };
}

function size(event: HarnessEvent): number {
  return Buffer.byteLength(JSON.stringify(event), 'utf8');
}

function clipStrings<T>(value: T, bytes: number): T;
function clipStrings(value: unknown, bytes: number): unknown {
  if (typeof value === 'string') return clip(value, bytes);
  if (Array.isArray(value)) return arrayOf(value).map((entry) => clipStrings(entry, bytes));
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, clipStrings(entry, bytes)]));
  return value;
}
