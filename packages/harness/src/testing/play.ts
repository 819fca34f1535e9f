import { isDeepStrictEqual, inspect } from 'node:util';
import type { Baseline, Harness } from '../contract.ts';
import type { HarnessEvent } from '../events.ts';
import type { JsonObject } from '../json.ts';
import { foldUsage, type AttemptUsage } from '../usage.ts';
import type { Fixture } from './fixtures.ts';

/** A rule that a plugin breaks, and where. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure';
}

export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new ConformanceFailure(message);
}

export function same(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  check(false, `${what}:\n  expected ${show(expected)}\n  but got  ${show(actual)}`);
}

/** Whether each expected field has its value; null stands for one that must be absent. */
export function comesTo(expected: JsonObject, actual: Readonly<Record<string, unknown>>): void {
  for (const [field, value] of Object.entries(expected)) same(actual[field], value ?? undefined, field);
}

function show(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: 160, maxStringLength: 200, maxArrayLength: 20 });
}

/** Every event of these bytes, given to one decoder in these chunks. */
export function decode(harness: Harness, chunks: Iterable<Uint8Array>, baseline?: Baseline): HarnessEvent[] {
  const decoder = harness.decoder('stdout', baseline);
  const events: HarnessEvent[] = [];
  for (const chunk of chunks) events.push(...decoder.push(chunk));
  events.push(...decoder.end());
  return events;
}

export function play(harness: Harness, fixture: Fixture, stdout: Uint8Array = fixture.stdout): HarnessEvent[] {
  return decode(harness, chunksOf(stdout, 256 * 1024), fixture.baseline);
}

export function fold(harness: Harness, events: Iterable<HarnessEvent>): AttemptUsage {
  return foldUsage(events, harness.capabilities);
}

export function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Offsets behind each line feed. */
export function lineEnds(bytes: Uint8Array): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) ends.push(at + 1);
  return ends;
}

/** Puts a line in after the first one. */
export function insertLine(
  stdout: Uint8Array,
  line: string | Uint8Array,
): { readonly bytes: Uint8Array; readonly from: number; readonly to: number } {
  const from = lineEnds(stdout)[0] ?? 0;
  const inserted = Buffer.concat([Buffer.from(line), Buffer.from('\n')]);
  return { bytes: Buffer.concat([stdout.subarray(0, from), inserted, stdout.subarray(from)]), from, to: from + inserted.length };
}

/** The same events whatever stands before them in the source. */
export function withoutOffsets(events: readonly HarnessEvent[]): unknown[] {
  return events.map(({ endsAt: _, ...event }) => ('truncated' in event ? { ...event, truncated: undefined } : event));
}
