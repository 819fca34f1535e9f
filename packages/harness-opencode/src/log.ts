/** A line that the CLI logs of itself with `--print-logs`: `timestamp=… level=INFO run=… message="stream error" modelID=…`. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly at: number | undefined;
  field(name: string): string | undefined;
}

/** What is looked for stands at the beginning; whole commands and answers may stand behind it. In UTF-16 units. */
const longest = 16 * 1024;

/** Undefined for anything else. */
export function readLogLine(line: string): LogLine | undefined {
  const text = line.slice(0, longest);
  const [, timestamp = '', level = ''] = /^timestamp=(\S+) level=([A-Z]+) /.exec(text) ?? [];
  if (level === '') return undefined;
  const at = Date.parse(timestamp);
  const field = (name: string): string | undefined => fieldOf(text, name);
  return { level, message: field('message') ?? '', at: Number.isNaN(at) ? undefined : at, field };
}

/** A value is a word or JSON's string; what is unknown is logged as `undefined`. */
function fieldOf(text: string, name: string): string | undefined {
  const fields = /(?<= |^)([^\s="]+)=("(?:[^"\\]|\\.)*"|\S*)/g;
  for (const [, key, value = ''] of text.matchAll(fields)) {
    if (key !== name) continue;
    const told = value.startsWith('"') ? unquoted(value) : value;
    return told === 'undefined' || told === '' ? undefined : told;
  }
  return undefined;
}

function unquoted(value: string): string | undefined {
  try {
    const told: unknown = JSON.parse(value);
    return typeof told === 'string' ? told : undefined;
  } catch {
    return undefined; // cut off, or not JSON's
  }
}
