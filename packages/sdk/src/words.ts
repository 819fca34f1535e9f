/** The value for a word, out of a generated enum. Throws a `TypeError` that names the words that exist. */
export function fromWord<V>(name: string, values: Readonly<Record<string, V>> & { readonly UNSPECIFIED: V }, word: string | undefined): V {
  if (word === undefined) return values.UNSPECIFIED;
  const { UNSPECIFIED: _, ...known } = values;
  const value = known[word.toUpperCase()];
  if (value !== undefined) return value;
  throw new TypeError(`unknown ${name} "${word}": it must be one of ${Object.keys(known).join(', ').toLowerCase()}`);
}
