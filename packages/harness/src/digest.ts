import { createHash } from 'node:crypto';

/** Tells two inputs or results of a tool apart without keeping them: 16 hexadecimal digits. `undefined` has none, since unknown is not equal to unknown. */
export function digest(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
