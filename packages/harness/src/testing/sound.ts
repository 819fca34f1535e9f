import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Decoder, Harness, Reconciliation } from '../contract.ts';
import { maxEventBytes, type HarnessEvent } from '../events.ts';
import { arrayOf } from '../json.ts';
import { eventsShape, reconciliationShape } from '../shapes.ts';
import type { AttemptUsage } from '../usage.ts';
import { check } from './play.ts';

/** Whether the daemon takes every event as it is: it refuses what contradicts the contract, and leaves out what is not in it. */
export function areSound(events: readonly HarnessEvent[], where: string): void {
  takenAsItIs(eventsShape, events, where);
  for (const event of events) {
    const json = JSON.stringify(event);
    const name = `${where}: ${event.kind} event that ends at ${event.endsAt}`;
    check(Buffer.byteLength(json) <= maxEventBytes, `${name} is ${Buffer.byteLength(json)} bytes long; ${maxEventBytes} are allowed`);
    // JSON writes half of a pair of surrogates in this way; no other encoding can write it at all.
    check(!json.includes('\\ud') || isDeepStrictEqual(wellFormed(event), event), `${name} holds half a character`);
  }
}

export function isSound(reconciliation: Reconciliation | undefined, where: string): void {
  if (reconciliation !== undefined) takenAsItIs(reconciliationShape, reconciliation, where);
}

/** Whether every figure of an account is a count. */
export function countsOnly(usage: AttemptUsage, where: string): void {
  const wrong = wrongNumber(usage, []);
  check(wrong === undefined, `${where}: the account says ${wrong}`);
}

/** Every event of these bytes, each of which must come with the piece in which its line ends: a later one would be lost in a restart. */
export function decodeInTime(harness: Harness, chunks: Iterable<Uint8Array>, decoder: Decoder): HarnessEvent[] {
  const events: HarnessEvent[] = [];
  let given = 0;
  for (const chunk of chunks) {
    const before = given;
    given += chunk.length;
    for (const event of decoder.push(chunk)) {
      check(
        event.endsAt > before && event.endsAt <= given,
        `${harness.harnessId}: a ${event.kind} event that ends at ${event.endsAt} came with the bytes from ${before} to ${given}`,
      );
      events.push(event);
    }
  }
  return [...events, ...decoder.end()];
}

function takenAsItIs<T>(shape: z.ZodType<T>, answer: T, where: string): void {
  const { success, data, error } = shape.safeParse(answer);
  const issue = error?.issues[0];
  check(success, `${where}: the daemon refuses ${issue?.path.join('.')}: ${issue?.message}`);
  if (isDeepStrictEqual(data, answer)) return;
  const [given, taken] = [arrayOf(answer), arrayOf(data)];
  const at = given.findIndex((event, place) => !isDeepStrictEqual(event, taken[place]));
  check(
    false,
    `${where}: the daemon leaves something out\n  the plugin gives ${JSON.stringify(given[at] ?? answer)}\n  the daemon takes ${JSON.stringify(taken[at] ?? data)}`,
  );
}

function wrongNumber(value: unknown, path: readonly string[]): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? undefined : `${path.join('.')} = ${value}`;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, entry] of Object.entries(value)) {
    const wrong = wrongNumber(entry, [...path, key]);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return arrayOf(value).map((entry) => wellFormed(entry));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, wellFormed(entry)]));
}
