import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Harness } from '../packages/harness/src/index.ts';
import claude from '../packages/harness-claude/src/index.ts';
import codex from '../packages/harness-codex/src/index.ts';
import opencode from '../packages/harness-opencode/src/index.ts';
import { compare } from './rounds.ts';

const packages = join(import.meta.dirname, '../packages');
/** The most that a decoder is given at a time. */
const chunkBytes = 256 * 1_024;
const bytesARound = 8 * 1_024 * 1_024;

/** How fast output becomes events: every recording of a harness again and again, each with a decoder of its own. */
export async function decoders(rounds: number): Promise<void> {
  for (const [name, harness] of Object.entries({ claude, codex, opencode })) {
    const recordings = globSync(join(packages, `harness-${name}/fixtures/*/*.jsonl`)).map((file) => readFileSync(file));
    const bytes = recordings.reduce((sum, { length }) => sum + length, 0);
    const repeats = Math.ceil(bytesARound / bytes);
    const rate = (read: (recording: Buffer) => void): number => {
      const begin = performance.now();
      for (let count = 0; count < repeats; count++) for (const recording of recordings) read(recording);
      return (repeats * bytes) / 1_000 / (performance.now() - begin);
    };
    const subject = (): number => rate((recording) => decoded(harness, recording));
    const baseline = (): number => rate(parsed);
    await compare({ name: `decoder of ${name}`, unit: 'MB/s', subject, baseline, against: 'JSON.parse of its lines' }, rounds);
  }
}

function decoded(harness: Pick<Harness, 'decoder'>, recording: Buffer): void {
  const decoder = harness.decoder('stdout', undefined);
  for (let at = 0; at < recording.length; at += chunkBytes) decoder.push(recording.subarray(at, at + chunkBytes));
  decoder.end();
}

/** Recordings hold lines that are none. */
function parsed(recording: Buffer): void {
  for (const line of recording.toString('utf8').split('\n')) {
    try {
      JSON.parse(line);
    } catch {
      continue;
    }
  }
}
