import { DomainError } from '../../errors.ts';

/** The environment as it was at the start. An empty variable counts as unset, as OpenTelemetry's specification demands. */
export type Environment = Readonly<Record<string, string | undefined>>;

export function variable(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === '' ? undefined : value;
}

/**
 * Reads `key=value,key=value` with percent-encoding, the form of OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES. Everything
 * after the first `=` is the value, as base64 ends in them. Refusals name the entry by its number: the values may be secrets.
 */
export function readPairs(name: string, text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const [index, entry] of text.split(',').entries()) {
    if (entry.trim() === '') continue;
    const equals = entry.indexOf('=');
    if (equals < 1)
      throw invalid(name, `entry ${index + 1} is not key=value`, 'separate entries by commas; a comma in a value is written %2C');
    const key = decode(name, `entry ${index + 1}`, entry.slice(0, equals).trim());
    pairs[key] = decode(name, `entry ${index + 1}`, entry.slice(equals + 1).trim());
  }
  return pairs;
}

export function invalid(name: string, problem: string, hint: string): DomainError {
  return new DomainError('INVALID_CONFIGURATION', `${name}: ${problem}`, { hint, metadata: { variable: name } });
}

export function decode(name: string, what: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    if (cause instanceof URIError) throw invalid(name, `${what} is not valid percent-encoding`, 'a percent sign itself is written %25');
    throw cause;
  }
}
