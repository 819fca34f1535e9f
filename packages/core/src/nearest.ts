/** The known word that was probably meant: at most a third of its letters differ, or it is the only one that begins so. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (!best || distance < best.distance) best = { word: candidate, distance };
  }
  if (best && best.distance <= Math.max(1, Math.ceil(best.word.length / 3))) return best.word;
  const [begun, ...others] = word.length < 2 ? [] : known.filter((candidate) => candidate.startsWith(word));
  return others.length === 0 ? begun : undefined;
}

/** Letters to insert, delete, replace, or swap with their neighbour: the slip of the finger that is most common. */
function editDistance(from: string, to: string): number {
  let last: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const [above, twoAbove] = [row, last];
    row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? (twoAbove[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    last = above;
  }
  return row.at(-1) ?? 0;
}
