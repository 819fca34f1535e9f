import { InvalidArgumentError } from 'commander';

const mostUsd = 1_000_000;

/** Millionths of a US dollar; undefined for an amount that is no limit. */
export function microsOf(dollars: number): number | undefined {
  const micros = Math.round(dollars * 1_000_000);
  return micros >= 1 && dollars <= mostUsd ? micros : undefined;
}

/** A flag's US dollars as millionths. */
export function usd(text: string): number {
  const micros = /^\d*\.?\d+$/.test(text) ? microsOf(Number(text)) : undefined;
  if (micros !== undefined) return micros;
  throw new InvalidArgumentError('It must be US dollars, 0.000001 to 1000000, such as 2.50.');
}

/** A flag's share of a whole. */
export function share(text: string): number {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0.01 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0.01 to 1, such as 0.8.');
}

/** A parser for a flag that takes a whole number of a range. */
export function wholeNumber(from: number, to: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= from && value <= to) return value;
    throw new InvalidArgumentError(`It must be a whole number, ${from} to ${to}.`);
  };
}
