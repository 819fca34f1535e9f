import {
  amountOf,
  countOf,
  countsIn,
  defined,
  objectOf,
  stringOf,
  type Baseline,
  type JsonObject,
  type SessionFile,
} from '@singletree/harness';
import { modelTotals, type ModelTotals } from './ledger.ts';
import { readTranscript } from './transcript.ts';

/** What the session's files held before an attempt went on in it: `bytes` by path, and `modelUsage` as the CLI had last saved it. */
const version = 1;

/** Undefined where the session has no file: the CLI would refuse to resume it. */
export function baselineOf(sessionId: string, files: readonly SessionFile[]): Baseline | undefined {
  const main = files.find((file) => isMain(sessionId, file));
  if (!main) return undefined;
  const bytes = Object.fromEntries(files.map((file) => [file.path, file.bytes.length]));
  const saved = Object.entries(readTranscript(main.bytes).savedTotals ?? {});
  return { version, data: { bytes, modelUsage: Object.fromEntries(saved.map(([model, entry]) => [model, storable(entry)])) } };
}

/** What of a model's totals is subtracted later: whatever else a file holds need not survive being stored. */
function storable(entry: JsonObject): JsonObject {
  return defined({ ...countsIn(entry), costUSD: amountOf(entry['costUSD']), costBasis: stringOf(entry['costBasis']) });
}

export function isMain(sessionId: string, file: SessionFile): boolean {
  return file.path.endsWith(`/${sessionId}.jsonl`);
}

/** What the CLI's running totals begin with. The CLI takes up what it saved at its last clean end, and forgets what was killed since. */
export function baselineTotals(baseline: Baseline | undefined): ModelTotals {
  return modelTotals(baseline?.data['modelUsage']);
}

/** The part of a session file that the attempt wrote. */
export function writtenSince(baseline: Baseline | undefined, file: SessionFile): Uint8Array {
  return file.bytes.subarray(lengthBefore(baseline, file));
}

/** The part that was there before it. */
export function writtenBefore(baseline: Baseline | undefined, file: SessionFile): Uint8Array {
  return file.bytes.subarray(0, lengthBefore(baseline, file));
}

function lengthBefore(baseline: Baseline | undefined, { path, bytes }: SessionFile): number {
  return Math.min(countOf(objectOf(baseline?.data['bytes'])[path]) ?? 0, bytes.length);
}
