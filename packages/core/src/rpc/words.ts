type Values = Readonly<Record<string, number>>;
type Word<E extends Values> = Lowercase<keyof E & string>;

/** The wire's value for a word of ours. Words that the wire lacks do not compile. */
export function enumOf<E extends Values>(values: E, word: Word<E>): E[keyof E] {
  const value = values[word.toUpperCase()];
  if (value === undefined) throw new Error(`bug: the wire has no value for "${word}"`);
  return value as E[keyof E];
}

/** Our word for a value of the wire; undefined for `UNSPECIFIED` and for values of a newer client. */
export function wordOf<E extends Values>(values: E, value: number): Exclude<Word<E>, 'unspecified'> | undefined {
  const name = Object.keys(values).find((key) => values[key] === value);
  return name === undefined || name === 'UNSPECIFIED' ? undefined : (name.toLowerCase() as Exclude<Word<E>, 'unspecified'>);
}
