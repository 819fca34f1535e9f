const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Milliseconds of `90s`, `5m`, `1h30m`; undefined if it is not a duration. A number without a unit is none: nobody knows of what. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    total += Number(amount) * (durationUnits[unit ?? ''] ?? Number.NaN);
  return Math.round(total);
}

/** Bytes of `64MiB`, `500kB` in its proper spelling `500KB`, or a plain number of bytes; undefined if it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(B|KB|MB|GB|KiB|MiB|GiB)?$/.exec(text);
  return match ? Math.round(Number(match[1]) * (sizeUnits[match[2] ?? 'B'] ?? Number.NaN)) : undefined;
}
