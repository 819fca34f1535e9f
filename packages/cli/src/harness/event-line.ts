import type { HarnessEvent } from '@singletree/harness';
import { oneLine } from '../terminal/text.ts';

/** An event as one JSON object, its fields named as in everything that this program prints. */
export function eventJson({ kind, source, endsAt, ...rest }: HarnessEvent): object {
  return { kind, source, ends_at: endsAt, ...snakeCase(rest) };
}

/** `stdout:4711  tool.started  main  Bash  npm test` */
export function eventText({ kind, source, endsAt, ...rest }: HarnessEvent): string {
  return [`${source}:${endsAt}`.padEnd(14), kind.padEnd(17), oneLine(valuesOf(snakeCase(rest)))].join(' ').trimEnd();
}

function snakeCase(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name.replaceAll(/[A-Z]|(?<=[a-z])\d/g, (sign) => `_${sign.toLowerCase()}`),
      plain(field),
    ]),
  );
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry: unknown) => plain(entry));
  return typeof value === 'object' && value !== null ? snakeCase(value) : value;
}

function valuesOf(fields: object): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join('  ');
}
