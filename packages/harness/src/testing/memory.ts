import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that are still held when `make` is done and its answer is kept. */
export function retainedBy(make: () => unknown): number {
  const before = held();
  const kept = make();
  const after = held();
  // Used after the measuring, so that it cannot be freed before.
  return kept === undefined ? 0 : Math.max(0, after - before);
}

/** The most that is held at once, in bytes beyond what was held before, as seen at each `look`. What could be freed and was not yet counts too. */
export function peakOf(work: (look: () => void) => void): number {
  const before = held();
  let peak = 0;
  work(() => {
    peak = Math.max(peak, now() - before);
  });
  return peak;
}

function held(): number {
  // Twice: what the first one finds of buffers is given back in the background.
  collectGarbage();
  collectGarbage();
  return now();
}

function now(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let collect: (() => void) | undefined;

function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    collect = typeof gc === 'function' ? () => void Reflect.apply(gc, undefined, []) : () => {};
  }
  collect();
}
