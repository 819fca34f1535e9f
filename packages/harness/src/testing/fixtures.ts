import { readdirSync, readFileSync } from 'node:fs';
import type { Baseline } from '../contract.ts';
import { isJsonObject, type JsonObject } from '../json.ts';

/** A real recording and what it must come to. */
export interface Fixture {
  readonly name: string;
  readonly cliVersion: string;
  readonly stdout: Uint8Array;
  /** Set where the recording goes on in a session that had used something before. */
  readonly baseline?: Baseline;
  /** Fields of `AttemptUsage` with the values they must have; null for a field that must be absent. */
  readonly expected: JsonObject;
}

/** Reads `<cli version>/<name>.jsonl` and, beside each, `<name>.expected.json`: `{ "expected": {…}, "baseline"?: {…} }`. */
export function readFixtures(folder: URL): Fixture[] {
  const versions = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return versions.flatMap(({ name: cliVersion }) => {
    const inside = new URL(`${cliVersion}/`, folder);
    const recordings = readdirSync(inside).filter((file) => file.endsWith('.jsonl'));
    return recordings.map((file) => readFixture(inside, cliVersion, file.slice(0, -'.jsonl'.length)));
  });
}

function readFixture(folder: URL, cliVersion: string, name: string): Fixture {
  const stdout = readFileSync(new URL(`${name}.jsonl`, folder));
  const file = new URL(`${name}.expected.json`, folder);
  const told: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isJsonObject(told) || !isJsonObject(told['expected']))
    throw new TypeError(`${file.pathname}: must be { "expected": {…}, "baseline"?: {…} }`);
  const { expected, baseline } = told;
  if (baseline === undefined) return { name, cliVersion, stdout, expected };
  if (!isBaseline(baseline)) throw new TypeError(`${file.pathname}: "baseline" must be { "version": 1, "data": {…} }`);
  return { name, cliVersion, stdout, expected, baseline };
}

function isBaseline(value: unknown): value is Baseline {
  return isJsonObject(value) && typeof value['version'] === 'number' && isJsonObject(value['data']);
}
