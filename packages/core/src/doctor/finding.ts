import { DomainError } from '../errors.ts';

/** What a check found. Looking changes nothing that stays. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `warning`: it works, and its person should know; `error`: it does not; `skipped`: it was not looked at, since it is off or cannot be. */
  readonly status: 'ok' | 'warning' | 'error' | 'skipped';
  /** What is there, or what is wrong. */
  readonly message: string;
  /** The file or folder that it is about. */
  readonly where?: string;
  /** What mends it: a command where there is one. */
  readonly mend?: string;
}

/** What a room refused, in its own words. */
export function errorFrom(check: string, error: unknown, where?: string): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const mend = error instanceof DomainError ? error.hint : undefined;
  return { check, status: 'error', message, ...(where === undefined ? {} : { where }), ...(mend === undefined ? {} : { mend }) };
}
