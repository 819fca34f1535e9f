/** What the CLI logs of itself on standard error: errors, and telemetry that holds neither prompts nor answers. There is a line for each model call. */
export const logFilter = 'error,codex_otel.trace_safe=info';

export interface LogLine {
  readonly level: string;
  /** The part of the program that says it. */
  readonly target: string;
  readonly text: string;
}

/** Undefined for what is no line of the log. */
export function readLogLine(line: string): LogLine | undefined {
  const [, level, target, text] = /^\d{4}-\d\d-\d\dT[\d:.]+Z +([A-Z]+) ([\w:.]+): (.*)$/s.exec(line) ?? [];
  return level === undefined || target === undefined || text === undefined ? undefined : { level, target, text };
}

export function isTelemetry({ target }: LogLine): boolean {
  return target === 'codex_otel.trace_safe';
}

/** The fields of a telemetry line. Of a name that comes twice the last one counts: what a server said stands in the middle, the CLI's own words after it. */
export function fieldsOf({ text }: LogLine): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = '', quoted, bare = ''] of text.matchAll(/(?:^| )([a-z][a-z0-9_.]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g))
    fields.set(name, quoted ?? bare);
  return fields;
}
