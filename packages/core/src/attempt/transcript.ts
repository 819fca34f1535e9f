import { setImmediate } from 'node:timers/promises';
import { countOf, createUsageFold, type Decoder, type HarnessEvent, type OutputSource, type UsageFold } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import { logLength, readLog } from '../supervision/directory.ts';
import type { Attempt, LiveProgress } from '../task/task.ts';
import { contextOf } from './context.ts';
import type { WatchdogThresholds } from './watchdogs/thresholds.ts';
import { UnknownEvents } from './unknown-events.ts';
import { Watchdogs } from './watchdogs/watchdogs.ts';

/** A gapless piece of one output with the events whose lines end in it. */
export interface Batch {
  readonly source: OutputSource;
  readonly from: number;
  readonly to: number;
  readonly events: readonly HarnessEvent[];
}

/** Bytes a decoder is called with at most, as its contract says. */
const chunkBytes = 256 * 1024;
const sources: readonly OutputSource[] = ['stdout', 'stderr'];
const newline = 0x0a;

/** A decoder threw, which its contract forbids. The log is kept. */
export class DecoderFailure extends Error {}

interface Position {
  readonly source: OutputSource;
  readonly decoder: Decoder;
  /** Given to the decoder so far. */
  read: number;
  /** Where the newest whole line ends: a batch ends there, so that a restart finds no half line recorded. */
  lineEnd: number;
  recorded: number;
  /** Events that are decoded but not in a batch yet. */
  waiting: HarnessEvent[];
}

/**
 * Reads what a harness has written, from the first byte. Decoders keep no state between two lives of the daemon: what is
 * recorded already is decoded again for its effect, and its events are dropped by their offset.
 */
export class Transcript {
  readonly fold: UsageFold;
  readonly watchdogs: Watchdogs;
  readonly unknown: UnknownEvents = new UnknownEvents();
  /** Gets each event before anybody else does. */
  onEvent: ((event: HarnessEvent) => void) | undefined;
  readonly #directory: string;
  readonly #plugin: Plugin;
  readonly #attempt: Pick<Attempt, 'baseline' | 'requestedModel'>;
  readonly #limitBytes: number;
  readonly #positions: readonly Position[];
  #activity: string | undefined;
  #failure: DecoderFailure | undefined;

  constructor(
    directory: string,
    plugin: Plugin,
    attempt: Pick<Attempt, 'baseline' | 'requestedModel'>,
    recorded: Readonly<Record<OutputSource, number>>,
    limitBytes: number,
    thresholds: WatchdogThresholds,
  ) {
    this.#directory = directory;
    this.#plugin = plugin;
    this.#attempt = attempt;
    this.#limitBytes = limitBytes;
    this.fold = createUsageFold(plugin.harness.capabilities);
    this.watchdogs = new Watchdogs(thresholds);
    this.#positions = sources.map((source) => ({
      source,
      decoder: plugin.harness.decoder(source, attempt.baseline),
      read: 0,
      lineEnd: 0,
      recorded: recorded[source],
      waiting: [],
    }));
  }

  /** What has come since, in batches that end at whole lines. With the final lengths also the rest, whole line or not. */
  async *read(final?: Readonly<Record<OutputSource, number>>): AsyncGenerator<Batch> {
    for (const position of this.#positions) yield* this.#readSource(position, final?.[position.source]);
  }

  /** Decodes what has come since, at most a chunk of each output: it does not have to wait until what came before is committed. `read` gives it later.
   *  False: there was nothing. */
  advance(): boolean {
    return this.#positions.map((position) => this.#advance(position, Infinity)).includes(true);
  }

  /** What a watcher is shown of an attempt that runs. */
  live(): LiveProgress {
    const summary = this.fold.summary();
    const { turns, total, model } = summary;
    const { finalTokens, windowTokens } = contextOf(summary, this.#plugin, this.#attempt);
    const costUsdMicros = countOf(summary.costUsdMicros);
    const tokens = [
      total.uncachedInputTokens,
      total.cacheReadInputTokens,
      total.cacheWriteInputTokens,
      total.outputTokens,
      total.reasoningOutputTokens,
    ].filter((count) => count !== undefined);
    const { concern } = this.watchdogs;
    const sum = tokens.length > 0 ? countOf(tokens.reduce((left, right) => left + right, 0)) : undefined;
    return {
      turns: turns ?? 0,
      ...(sum === undefined ? {} : { tokens: sum }),
      ...(costUsdMicros === undefined ? {} : { costUsdMicros }),
      ...(finalTokens !== undefined && windowTokens ? { contextUtilization: Math.min(1, finalTokens / windowTokens) } : {}),
      ...(this.#activity === undefined ? {} : { activity: this.#activity }),
      ...(model === undefined ? {} : { model }),
      ...(concern === undefined ? {} : { concern }),
    };
  }

  async *#readSource(position: Position, finalLength: number | undefined): AsyncGenerator<Batch> {
    const end = finalLength ?? logLength(this.#directory, position.source);
    while (this.#advance(position, end)) {
      yield* batchTo(position, position.lineEnd);
      // A long log is read in one go where nobody has to wait for anything: others have their turn between two chunks.
      await setImmediate();
    }
    yield* batchTo(position, position.lineEnd);
    if (finalLength === undefined) return;
    this.#take(position, () => position.decoder.end());
    yield* batchTo(position, position.read);
  }

  /** Decodes the next chunk before this end. False: there is none. */
  #advance(position: Position, end: number): boolean {
    const length = Math.min(chunkBytes, Math.min(end, this.#limitBytes) - position.read);
    const bytes = length > 0 ? readLog(this.#directory, position.source, position.read, length) : undefined;
    if (!bytes?.length) return false;
    this.#take(position, () => position.decoder.push(bytes));
    const last = bytes.lastIndexOf(newline);
    if (last >= 0) position.lineEnd = position.read + last + 1;
    position.read += bytes.length;
    return true;
  }

  #take(position: Position, decode: () => readonly HarnessEvent[]): void {
    for (const event of this.#decoded(decode, position.source)) {
      this.onEvent?.(event);
      this.fold.add(event);
      this.watchdogs.add(event);
      this.unknown.add(event);
      this.#activity = activityOf(event) ?? this.#activity;
      if (event.endsAt > position.recorded) position.waiting.push(event);
    }
  }

  /** One that has failed is asked no more: it would be given the same bytes again. */
  #decoded(decode: () => readonly HarnessEvent[], source: OutputSource): readonly HarnessEvent[] {
    if (this.#failure) throw this.#failure;
    try {
      return decode();
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#failure = new DecoderFailure(`the decoder failed on ${source}: ${what}`, { cause: error });
      throw this.#failure;
    }
  }
}

/** How long both outputs are now. Final once nothing of the process lives any more. */
export function lengthsOf(directory: string): { stdout: number; stderr: number } {
  return { stdout: logLength(directory, 'stdout'), stderr: logLength(directory, 'stderr') };
}

function* batchTo(position: Position, to: number): Generator<Batch> {
  if (to <= position.recorded) return;
  const events = position.waiting.filter((event) => event.endsAt <= to);
  position.waiting = position.waiting.filter((event) => event.endsAt > to);
  yield { source: position.source, from: position.recorded, to, events };
  position.recorded = to;
}

function activityOf(event: HarnessEvent): string | undefined {
  switch (event.kind) {
    case 'tool.started':
      return event.summary === undefined ? event.tool : `${event.tool} ${event.summary}`;
    case 'text':
      return event.text.trim().split('\n', 1)[0]?.slice(0, 200);
    case 'model.retried':
      return `waiting for the model: ${event.reason}`;
    default:
      return undefined;
  }
}
