import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { CaseResult, ConformanceOptions } from '@singletree/harness/testing';

/** What is tried, and with which recordings. */
export interface Trial {
  /** The plugin's module. */
  readonly location: string;
  /** The folder of its recordings. */
  readonly fixtures: string;
  /** Cases before this one have been tried. */
  readonly from: number;
  readonly options: Pick<ConformanceOptions, 'seed' | 'thorough' | 'mutatedLines' | 'leavesOutZeros'>;
}

/** What the thread says in which it is tried. */
export type Heard =
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'loaded';
      readonly harness: string;
      readonly decoderVersion: number;
      readonly cases: readonly Pick<CaseResult, 'rule' | 'name'>[];
    }
  | { readonly kind: 'tried'; readonly at: number; readonly result: CaseResult };

export interface Tried {
  /** Absent where the module has no plugin. */
  readonly harness?: string;
  readonly decoderVersion?: number;
  readonly results: readonly CaseResult[];
}

/** The program beside this file: source where this is source, built where this is built. */
const program = fileURLToPath(new URL(`./conformance-worker${extname(import.meta.url)}`, import.meta.url));

/** More than a plugin that keeps the rule about memory needs. */
const heapMb = 512;

/**
 * Tries a plugin, case by case, in a thread of its own. One that never answers, ends the thread, or eats its memory has failed the case at
 * which it did, and the next case begins in a new thread.
 */
export async function tried(trial: Trial, limitMs: number): Promise<Tried> {
  const results: CaseResult[] = [];
  let loaded: Extract<Heard, { kind: 'loaded' }> | undefined;
  for (;;) {
    const round = await inThread({ ...trial, from: results.length }, limitMs);
    loaded ??= round.loaded;
    results.push(...round.results);
    const { harness, decoderVersion, cases } = loaded ?? {};
    const open = cases?.[results.length];
    if (!loaded || harness === undefined || decoderVersion === undefined) return { results: [notLoaded(round.message)] };
    if (!open) return { harness, decoderVersion, results };
    results.push({ ...open, passed: false, message: round.message });
  }
}

function notLoaded(message: string): CaseResult {
  return { rule: 'declaration', name: 'its module can be loaded, and has a plugin of this contract', passed: false, message };
}

interface Round {
  readonly loaded?: Extract<Heard, { kind: 'loaded' }>;
  readonly results: readonly CaseResult[];
  /** Why there are no more results. */
  readonly message: string;
}

async function inThread(trial: Trial, limitMs: number): Promise<Round> {
  // What a plugin prints is nothing that the report says.
  const worker = new Worker(program, { workerData: trial, stdout: true, stderr: true, resourceLimits: { maxOldGenerationSizeMb: heapMb } });
  const over = Promise.withResolvers<string>();
  const results: CaseResult[] = [];
  let loaded: Extract<Heard, { kind: 'loaded' }> | undefined;
  const late = (): void => over.resolve(`no answer in ${limitMs / 1000} s`);
  let timer = setTimeout(late, limitMs);
  worker.on('message', (heard: Heard) => {
    clearTimeout(timer);
    timer = setTimeout(late, limitMs);
    if (heard.kind === 'refused') return over.resolve(heard.message);
    if (heard.kind === 'loaded') loaded = heard;
    else results.push(heard.result);
    if (loaded && trial.from + results.length >= loaded.cases.length) over.resolve('');
  });
  worker.on('error', (error: unknown) => over.resolve(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => over.resolve(`it ended the process that had asked it, with the exit code ${code}`));
  const message = await over.promise;
  clearTimeout(timer);
  const ended = once(worker, 'exit');
  if (worker.threadId !== -1) {
    await worker.terminate();
    await Promise.race([ended, Promise.resolve()]);
  }
  return { ...(loaded ? { loaded } : {}), results, message };
}
