/** A value as `-c key=value` reads it: strings, numbers, truth values, lists and tables of them. Absent fields are left out. */
export type TomlValue = string | number | boolean | readonly TomlValue[] | { readonly [key: string]: TomlValue | undefined };

export function toml(value: TomlValue): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (isList(value)) return `[${value.map(toml).join(',')}]`;
  const fields = Object.entries(value).flatMap(([key, entry]) => (entry === undefined ? [] : [`${quoted(key)}=${toml(entry)}`]));
  return `{${fields.join(',')}}`;
}

/** JSON's escapes are TOML's too, but for DEL, which TOML wants escaped. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

function isList(value: TomlValue): value is readonly TomlValue[] {
  return Array.isArray(value);
}
