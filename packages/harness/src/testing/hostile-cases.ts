import type { Harness } from '../contract.ts';
import type { HarnessEvent, OutputSource } from '../events.ts';
import { maxLineBytes } from '../lines.ts';
import type { ConformanceCase, Subject } from './case.ts';
import { peakOf, retainedBy } from './memory.ts';
import { Mutator } from './mutate.ts';
import type { Fixture } from './fixtures.ts';
import { check, chunksOf, fold, lineEnds, play, same } from './play.ts';
import { below, pick, seeded } from './random.ts';
import { areSound, countsOnly, decodeInTime } from './sound.ts';

const mebibyte = 1024 * 1024;

/** What a decoder makes of an output that nobody has tried, and what it costs to find out. */
export function hostileCases(subject: Subject): ConformanceCase[] {
  const { harness, seed, mutatedLines } = subject;
  return [
    {
      rule: 'malformed lines',
      name: `${mutatedLines} lines changed at random (seed ${seed}) never throw, never break an event, and mean the same however they are cut`,
      run: () => mutated(subject),
    },
    {
      rule: 'time',
      name: 'a long line takes time in proportion to its length, whatever it repeats',
      run: () => inTime(subject),
    },
    {
      rule: 'memory',
      name: 'of what was read nothing but small entries is kept',
      run: () => keepsLittle(subject),
    },
    ...(['stdout', 'stderr'] as const).map((source): ConformanceCase => ({
      rule: 'huge lines',
      name: `100 MB on ${source} without a line feed take no more memory than the longest line, and come to a warning or nothing`,
      run: () => endless(harness, source),
    })),
  ];
}

function mutated({ harness, fixtures, seed, mutatedLines }: Subject): void {
  const random = seeded(seed);
  const mutator = new Mutator(
    random,
    fixtures.map(({ stdout }) => stdout),
  );
  for (let done = 0; done < mutatedLines;) {
    const fixture = pick(random, fixtures);
    const { bytes, changed } = mutator.mutate(fixture.stdout);
    done += changed;
    const where = `${fixture.name} with changed lines`;
    try {
      const events = play(harness, fixture, bytes);
      areSound(events, where);
      countsOnly(fold(harness, events), where);
      if (random() < 0.6) continue;
      // Pieces of any size: each end of one is a place where the daemon may die and begin again.
      const again = decodeInTime(harness, randomPieces(bytes, random), harness.decoder('stdout', fixture.baseline));
      same(again, events, `${where}: events in other pieces`);
    } catch (error) {
      const line = firstThatFails(harness, fixture, bytes);
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(line === undefined ? message : `${message}\n  at the line ${line}`, { cause: error });
    }
  }
}

function* randomPieces(bytes: Uint8Array, random: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + below(random, random() < 0.5 ? 100 : 10_000);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** For people, where a line by itself is what fails. */
function firstThatFails(harness: Harness, { baseline }: Fixture, bytes: Uint8Array): string | undefined {
  const decoder = harness.decoder('stdout', baseline);
  let from = 0;
  for (const end of [...lineEnds(bytes), bytes.length]) {
    const line = bytes.subarray(from, end);
    from = end;
    try {
      areSound(decoder.push(line), '');
    } catch {
      return JSON.stringify(Buffer.from(line.subarray(0, 2000)).toString('utf8'));
    }
  }
  return undefined;
}

/** CPU time for each MiB of one line. */
const slowestMs = 4000;

/** A pattern that looks for its end from each of many beginnings needs hours where a line repeats what it looks for. */
function inTime({ harness, fixtures }: Subject): void {
  for (const line of kindsOfLines(fixtures)) {
    // Longer and longer, so that one that would need hours is found in a second.
    for (const kibibytes of [64, 128, 256, 512]) {
      const long = Buffer.from(`${line.repeat(Math.ceil((kibibytes * 1024) / line.length))} x\n`);
      const decoder = harness.decoder('stdout', undefined);
      const before = process.cpuUsage();
      for (const piece of chunksOf(long, 256 * 1024)) decoder.push(piece);
      const { user, system } = process.cpuUsage(before);
      const ms = (user + system) / 1000;
      check(
        ms < (slowestMs * kibibytes) / 1024,
        `${Math.round(ms)} ms for ${kibibytes} KiB in one line that repeats ${JSON.stringify(line.slice(0, 200))}`,
      );
    }
  }
}

/** One of each kind that is no JSON, and of the beginnings of texts in those that are. */
function kindsOfLines(fixtures: readonly Fixture[]): readonly string[] {
  const kinds = new Map<string, string>();
  for (const { stdout } of fixtures) {
    for (const line of Buffer.from(stdout).toString('utf8').split('\n')) {
      if (line.trim() === '' || line.length > 4096) continue;
      const kind = line.startsWith('{') ? '{' : line.replaceAll(/\d+/g, '0').slice(0, 60);
      if (kinds.size < 50 && !kinds.has(kind)) kinds.set(kind, line);
    }
  }
  return [...kinds.values()];
}

function keepsLittle({ harness, fixtures, thorough }: Subject): void {
  const given = (thorough ? 512 : 8) * mebibyte;
  const [longest] = fixtures.toSorted((a, b) => b.stdout.length - a.stdout.length);
  if (!longest) return;
  const piece = Buffer.concat(Array.from({ length: Math.ceil((256 * 1024) / longest.stdout.length) }, () => longest.stdout)).subarray(
    0,
    256 * 1024,
  );
  const decodeFor = (bytes: number): unknown => {
    const decoder = harness.decoder('stdout', longest.baseline);
    for (let done = 0; done < bytes; done += piece.length) decoder.push(piece);
    return decoder;
  };
  decodeFor(mebibyte); // what is loaded and compiled by that is not kept of what is read
  const kept = retainedBy(() => decodeFor(given));
  check(kept < 0.75 * given, `${longest.name}, repeated to ${given} bytes: ${kept} bytes are kept of it`);
}

/** Room for the longest line, as bytes, as text, and while one becomes the other. */
const mostHeld = 6 * maxLineBytes;

function endless(harness: Harness, source: OutputSource): void {
  const piece = Buffer.alloc(256 * 1024, 'x');
  const total = 100 * 1000 * 1000;
  const events: HarnessEvent[] = [];
  const peak = peakOf((look) => {
    const decoder = harness.decoder(source, undefined);
    for (let given = 0; given < total; given += piece.length) {
      events.push(...decoder.push(given === 0 ? Buffer.from(`{"type":"${'x'.repeat(piece.length - 9)}`) : piece));
      look();
    }
    same(events, [], 'events before the line has ended');
    events.push(...decoder.end());
  });
  check(peak < mostHeld, `${peak} bytes are held at once`);
  const kinds = events.map(({ kind }) => kind).join(', ');
  if (source === 'stdout') same(kinds, 'warning', 'events of the line');
  else check(kinds === '' || kinds === 'warning', `events of the line: ${kinds}`);
}
