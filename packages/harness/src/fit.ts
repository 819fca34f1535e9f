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
 *  say where the line stands that holds them in full. Half of a pair of surrogates, which CLIs leave where they cut a text, becomes a
 *  replacement character: nothing but JSON's escapes could write it. */
export function fit(given: HarnessEvent, line: Line): HarnessEvent {
  const json = JSON.stringify(given);
  const event = json.includes('\\ud') ? changeTexts(given, (text) => text.toWellFormed()) : given;
  if (Buffer.byteLength(json, 'utf8') <= maxEventBytes) return event;
  const truncated = { offset: line.startsAt, length: line.endsAt - line.startsAt };
  let fitted = event.kind === 'text' || event.kind === 'raw' ? { ...event, truncated } : event;
  // Escapes make JSON longer than the text (up to six bytes for one), so that the right length is found by trying.
  for (let limit = maxEventBytes - 512; size(fitted) > maxEventBytes && limit > 0; limit = Math.floor(limit * 0.8)) {
    fitted = changeTexts(fitted, (text) => clip(text, limit));
  }
  if (size(fitted) <= maxEventBytes) return fitted;
  const message = `${event.kind} event in the line at offset ${line.startsAt} of ${event.source} is longer than ${maxEventBytes} bytes: left out`;
  return { kind: 'warning', message, source: event.source, endsAt: event.endsAt };
}

function size(event: HarnessEvent): number {
  return Buffer.byteLength(JSON.stringify(event), 'utf8');
}

function changeTexts<T>(value: T, change: (text: string) => string): T;
function changeTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return arrayOf(value).map((entry) => changeTexts(entry, change));
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, changeTexts(entry, change)]));
  return value;
}
