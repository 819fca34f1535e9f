import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Baseline, SessionFile } from '../contract.ts';
import { arrayOf, isJsonObject, objectOf, stringOf, type JsonObject } from '../json.ts';
import { compareVersions } from '../versions.ts';

/** A real recording and what it must come to. */
export interface Fixture {
  readonly name: string;
  readonly cliVersion: string;
  readonly stdout: Uint8Array;
  /** Set where the recording goes on in a session that had used something before. */
  readonly baseline?: Baseline;
  /** Fields of `AttemptUsage` with the values that the output alone must give; null for a field that must be absent. */
  readonly expected: JsonObject;
  readonly session?: RecordedSession;
}

/** The files that the CLI kept of the session, as they were after the end. */
export interface RecordedSession {
  readonly id: string;
  readonly files: readonly SessionFile[];
  /** As above, for output and files together. */
  readonly expected: JsonObject;
}

/**
 * Reads a folder of fixtures:
 *
 * - `<cli version>/<name>.jsonl`, what the CLI printed, and beside each `<name>.expected.json`: `{ "expected": {…}, "baseline"?: {…} }`;
 * - `<cli version>/sessions/<name>/` for a run with its session files: `stdout.jsonl`, and `case.json`:
 *   `{ "sessionId": "…", "files": [{ "path": as the plugin names it, "copy": the file here }], "expected": {…}, "baseline"?: {…} }`.
 */
export function readFixtures(folder: URL): Fixture[] {
  return foldersIn(folder).flatMap((cliVersion) => {
    const inside = new URL(`${cliVersion}/`, folder);
    const recordings = readdirSync(inside).filter((file) => file.endsWith('.jsonl'));
    const sessions = new URL('sessions/', inside);
    return [
      ...recordings.map((file) => readFixture(inside, cliVersion, file.slice(0, -'.jsonl'.length))),
      ...foldersIn(sessions).map((name) => readSession(new URL(`${name}/`, sessions), cliVersion, name)),
    ];
  });
}

/** What the CLI prints for a version: as `<cli version>/version.txt` of the newest recorded one has it. Undefined if it was not recorded. */
export function recordedVersionOutput(folder: URL): ((version: string) => string) | undefined {
  for (const recorded of foldersIn(folder).toSorted(compareVersions).toReversed()) {
    const file = new URL(`${recorded}/version.txt`, folder);
    if (!existsSync(file)) continue;
    const output = readFileSync(file, 'utf8');
    if (!output.includes(recorded)) throw new TypeError(`${file.pathname}: does not hold ${recorded}`);
    return (version) => output.replaceAll(recorded, version);
  }
  return undefined;
}

function foldersIn(folder: URL): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function readFixture(folder: URL, cliVersion: string, name: string): Fixture {
  const stdout = readFileSync(new URL(`${name}.jsonl`, folder));
  const told = readTold(new URL(`${name}.expected.json`, folder));
  return { name, cliVersion, stdout, ...told };
}

function readSession(folder: URL, cliVersion: string, name: string): Fixture {
  const file = new URL('case.json', folder);
  const { expected, ...baseline } = readTold(file);
  const { sessionId, files } = objectOf(JSON.parse(readFileSync(file, 'utf8')));
  const wrong = new TypeError(`${file.pathname}: must be { "sessionId": "…", "files": [{ "path": "…", "copy": "…" }], "expected": {…} }`);
  if (typeof sessionId !== 'string' || !Array.isArray(files)) throw wrong;
  const read = arrayOf(files).map((entry) => {
    const [path, copy] = [stringOf(objectOf(entry)['path']), stringOf(objectOf(entry)['copy'])];
    if (path === undefined || copy === undefined) throw wrong;
    return { path, bytes: readFileSync(new URL(copy, folder)) };
  });
  const stdout = readFileSync(new URL('stdout.jsonl', folder));
  return { name, cliVersion, stdout, ...baseline, expected: {}, session: { id: sessionId, files: read, expected } };
}

function readTold(file: URL): Pick<Fixture, 'expected' | 'baseline'> {
  const told: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isJsonObject(told) || !isJsonObject(told['expected']))
    throw new TypeError(`${file.pathname}: must be { "expected": {…}, "baseline"?: {…} }`);
  const { expected, baseline } = told;
  if (baseline === undefined) return { expected };
  if (!isBaseline(baseline)) throw new TypeError(`${file.pathname}: "baseline" must be { "version": 1, "data": {…} }`);
  return { expected, baseline };
}

function isBaseline(value: unknown): value is Baseline {
  return isJsonObject(value) && typeof value['version'] === 'number' && isJsonObject(value['data']);
}
