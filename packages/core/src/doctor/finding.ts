import { DomainError } from '../errors.ts';

/** What a check found. Looking changes nothing that stays. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `warning`: it works, and its person should know; `problem`: it does not. */
  readonly status: 'ok' | 'warning' | 'problem';
  /** What is there, or what is wrong. */
  readonly message: string;
  /** The file or folder that it is about. */
  readonly where?: string;
  /** What mends it: a command where there is one. */
  readonly fix?: string;
}

/** What a room refused, in its own words. */
export function problemFrom(check: string, error: unknown, where?: string): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const fix = error instanceof DomainError ? error.hint : undefined;
  return { check, status: 'problem', message, ...(where === undefined ? {} : { where }), ...(fix === undefined ? {} : { fix }) };
}
