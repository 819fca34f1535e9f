/** What is compared: each gives one figure a round, in the same unit. */
export interface Comparison {
  readonly name: string;
  readonly unit: 'ms' | 'MB/s' | '/s';
  readonly subject: () => number | Promise<number>;
  readonly baseline: () => number | Promise<number>;
  /** What the baseline is, in words. */
  readonly against: string;
}

/**
 * Prints one line: the subject's median, and the median of its ratios to the baseline, with the least and the greatest. Baseline and subject take
 * turns, so that a machine that grows slower does so for both; a figure by itself belongs to the machine, the ratio does not.
 */
export async function compare({ name, unit, subject, baseline, against }: Comparison, rounds: number): Promise<void> {
  const figures: number[] = [];
  const bases: number[] = [];
  const ratios: number[] = [];
  // The first round warms up, and counts for nothing.
  for (let round = 0; round <= rounds; round++) {
    const base = await baseline();
    const figure = await subject();
    if (round === 0) continue;
    bases.push(base);
    figures.push(figure);
    ratios.push(figure / base);
  }
  const range = `${shown(Math.min(...ratios))}–${shown(Math.max(...ratios))}`;
  const compared = `${shown(median(ratios))} × ${against} (${shown(median(bases))} ${unit})`;
  console.log(`${name.padEnd(34)} ${`${shown(median(figures))} ${unit}`.padStart(14)}   ${compared.padEnd(48)} ${range}`);
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Milliseconds that something takes. */
export async function timed(what: () => unknown): Promise<number> {
  const begin = performance.now();
  await what();
  return performance.now() - begin;
}

/** Three digits that mean something. */
export function shown(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toPrecision(3);
}
