import { maxEventBytes, type HarnessEvent } from '../events.ts';
import { maxLineBytes } from '../lines.ts';
import type { Fixture } from './fixtures.ts';
import { check, chunksOf, decode, fold, insertLine, lineEnds, play, same, withoutOffsets } from './play.ts';
import { below, seeded } from './random.ts';
import { areSound } from './sound.ts';
import type { ConformanceCase, Subject } from './case.ts';

/** Recordings up to this size are split at every byte. */
const everyByteLimit = 64 * 1024;

export function decoderCases(subject: Subject): ConformanceCase[] {
  const { harness, fixtures } = subject;
  const smallest = fixtures.toSorted((a, b) => a.stdout.length - b.stdout.length)[0];
  return [
    ...fixtures.flatMap((fixture) => recordingCases(subject, fixture)),
    ...(smallest ? lineCases(subject, smallest) : []),
    {
      rule: 'UTF-8 splits',
      name: 'text with characters of two to four bytes comes out whole when it is read byte by byte',
      run: () => splitCharacters(subject),
    },
    {
      rule: 'abort',
      name: 'a CLI that was stopped before it said a word gives no event',
      run: () => {
        for (const chunks of [[], [new Uint8Array()]]) same(decode(harness, chunks), [], 'events of an empty output');
      },
    },
  ];
}

/** As a reader gives them that has one buffer only. */
function* inOneBuffer(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (const chunk of chunksOf(bytes, size)) {
    buffer.set(chunk);
    yield buffer.subarray(0, chunk.length);
  }
}

function recordingCases({ harness, seed, thorough }: Subject, fixture: Fixture): ConformanceCase[] {
  const { name, stdout, baseline } = fixture;
  const whole = (): HarnessEvent[] => play(harness, fixture);
  return [
    {
      rule: 'event order',
      name: `${name}: events stand at their lines' ends, fit, and begin before they end`,
      run: () => inOrder(whole(), stdout),
    },
    {
      rule: 'event shapes',
      name: `${name}: the daemon takes every event as it is`,
      run: () => areSound(whole(), name),
    },
    {
      rule: 'chunk splits',
      name: `${name}: the same events however the bytes are chunked`,
      run: () => {
        const expected = whole();
        const equal = (chunks: Iterable<Uint8Array>, how: string): void =>
          same(decode(harness, chunks, baseline), expected, `events with ${how}`);
        if (stdout.length <= everyByteLimit) equal(chunksOf(stdout, 1), 'a chunk for each byte');
        for (const size of [2, 3, 7, 64, 1000, 4096]) equal(chunksOf(stdout, size), `chunks of ${size} bytes`);
        equal(inOneBuffer(stdout, 16), 'chunks of 16 bytes in a buffer that is used again');
        const random = seeded(seed);
        for (let round = 0; round < 20; round += 1) {
          const at = below(random, stdout.length + 1);
          equal([stdout.subarray(0, at), stdout.subarray(at)], `two chunks, split at byte ${at}`);
        }
        if (!thorough || stdout.length > everyByteLimit) return;
        for (let at = 0; at <= stdout.length; at += 1)
          equal([stdout.subarray(0, at), stdout.subarray(at)], `two chunks, split at byte ${at}`);
      },
    },
    {
      rule: 'restart points',
      name: `${name}: a restart at any line changes neither events nor figures`,
      run: () => {
        const expected = whole();
        // What a decoder before the restart has given by the end of each line, and one after it is not asked for again.
        const before = harness.decoder('stdout', baseline);
        let from = 0;
        for (const offset of lineEnds(stdout)) {
          const recorded = before.push(stdout.subarray(from, offset));
          const own = expected.filter(({ endsAt }) => endsAt > from && endsAt <= offset);
          same(recorded, own, `events of the line that ends at ${offset}, where a restart drops what ends there or before`);
          from = offset;
        }
        same(
          before.end(),
          expected.filter(({ endsAt }) => endsAt > from),
          'events of an unfinished last line',
        );
      },
    },
    {
      rule: 'missing ending',
      name: `${name}: without the line that tells the end there is no ending, and every sum is a lower bound`,
      run: () => {
        const firstEnd = whole().find((event) => event.kind === 'ended');
        const ends = lineEnds(stdout);
        const from = firstEnd ? (ends[ends.indexOf(firstEnd.endsAt) - 1] ?? 0) : stdout.length;
        const usage = fold(harness, play(harness, fixture, stdout.subarray(0, from)));
        same(usage.evidence, undefined, 'evidence without the closing words');
        check(usage.lowerBound, 'what was used is not marked as a lower bound although the CLI never said that it was done');
      },
    },
    {
      rule: 'abort',
      name: `${name}: cut off anywhere, it never throws and never ends better than it did`,
      run: () => {
        const random = seeded(seed);
        const ends = whole().filter((event) => event.kind === 'ended');
        for (let round = 0; round < 30; round += 1) {
          const at = below(random, stdout.length);
          const cut = play(harness, fixture, stdout.subarray(0, at)).filter((event) => event.kind === 'ended');
          // A line that lacks only its line feed is whole.
          const allowed = ends.filter((event) => event.endsAt <= at + 2).length;
          check(cut.length <= allowed, `cut at byte ${at} of ${stdout.length} it claims an ending that was not printed by then`);
        }
      },
    },
  ];
}

function lineCases({ harness }: Subject, fixture: Fixture): ConformanceCase[] {
  const expected = (): unknown[] => withoutOffsets(play(harness, fixture));
  /** The events of the inserted line alone; all others must be as they were. */
  const added = (line: string | Uint8Array): readonly HarnessEvent[] => {
    const { bytes, to } = insertLine(fixture.stdout, line);
    const events = play(harness, fixture, bytes);
    same(withoutOffsets(events.filter((event) => event.endsAt !== to)), expected(), 'the other events');
    return events.filter((event) => event.endsAt === to);
  };
  return [
    {
      rule: 'huge lines',
      name: 'a line longer than the limit is skipped with a warning, and what follows is read',
      run: () => {
        const kinds = added(Buffer.alloc(maxLineBytes + 1, '[')).map((event) => event.kind);
        same(kinds, ['warning'], 'events of the line');
      },
    },
    {
      rule: 'huge lines',
      name: 'a line of 1 MiB that is not known is cut and points into the log',
      run: () => {
        const line = JSON.stringify({ type: unknownType, text: 'a"\n😀'.repeat(150_000) });
        const [event, ...more] = added(line);
        same(more, [], 'further events of the line');
        check(event?.kind === 'raw' && event.truncated !== undefined, 'it is not given as raw with its place in the log');
        const { from } = insertLine(fixture.stdout, line);
        same(event.truncated, { offset: from, length: Buffer.byteLength(line) + 1 }, 'its place in the log');
      },
    },
    ...['no JSON at all', '{"type":"', '[1,2]', '"text"', '7', 'null', '\u0000\u0001', Buffer.from([0xff, 0xfe, 0x80])].map(
      (line): ConformanceCase => ({
        rule: 'malformed lines',
        name: `${JSON.stringify(line.toString('utf8'))} is kept as raw and disturbs nothing`,
        run: () =>
          same(
            added(line).map((event) => event.kind),
            ['raw'],
            'events of the line',
          ),
      }),
    ),
    {
      rule: 'unknown events',
      name: 'an event of an unknown type is kept as raw and disturbs nothing',
      run: () => {
        const line = JSON.stringify({ type: unknownType, id: 1, nested: { text: 'é' } });
        same(withoutOffsets(added(line)), [{ kind: 'raw', line, source: 'stdout' }], 'events of the line');
      },
    },
  ];
}

const unknownType = 'no_cli_prints_this';

function inOrder(events: readonly HarnessEvent[], stdout: Uint8Array): void {
  const ends = new Set([...lineEnds(stdout), stdout.length]);
  const started = new Set<string>();
  let session = false;
  let before = 0;
  for (const event of events) {
    const where = `${event.kind} event that ends at ${event.endsAt}`;
    check(event.endsAt >= before, `${where} comes after one that ends at ${before}`);
    check(ends.has(event.endsAt), `${where}: no line ends there`);
    before = event.endsAt;
    same(event.source, 'stdout', `source of the ${where}`);
    same(JSON.parse(JSON.stringify(event)), event, `${where} as plain data`);
    const bytes = Buffer.byteLength(JSON.stringify(event));
    check(bytes <= maxEventBytes, `${where} is ${bytes} bytes long; ${maxEventBytes} are allowed`);
    if (event.kind === 'session.started') session = true;
    if (event.kind === 'model.call' || event.kind === 'text' || event.kind === 'tool.started')
      check(session, `${where} comes before the session has started`);
    if (event.kind === 'tool.started') started.add(event.toolId);
    if (event.kind === 'tool.finished') check(started.has(event.toolId), `${where}: tool ${event.toolId} never started`);
    if (event.kind === 'subagent.started') started.add(event.subagent);
    if (event.kind === 'subagent.ended') check(started.has(event.subagent), `${where}: sub-agent ${event.subagent} never started`);
  }
}

/** Takes a text that the plugin shows and lets the CLI say more in it. */
function splitCharacters({ harness, fixtures }: Subject): void {
  for (const fixture of fixtures) {
    const text = play(harness, fixture).find((event) => event.kind === 'text')?.text;
    if (text === undefined) continue;
    const before = JSON.stringify(text).slice(0, -1);
    const bytes = Buffer.from(Buffer.from(fixture.stdout).toString('utf8').replaceAll(before, `${before}é€😀`), 'utf8');
    const events = decode(harness, chunksOf(bytes, 1), fixture.baseline);
    check(
      events.some((event) => event.kind === 'text' && event.text.endsWith('é€😀')),
      `${fixture.name}: the text ${text} with é€😀 added is not among the events`,
    );
    same(events, decode(harness, [bytes], fixture.baseline), `${fixture.name}: events byte by byte`);
    return;
  }
  check(false, 'no recording has a text event');
}
