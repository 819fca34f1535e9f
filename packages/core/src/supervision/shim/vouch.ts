import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessFile } from '../protocol.ts';
import { hasCode } from './error-code.ts';

/** Until when the daemon vouches for a process, in milliseconds of the monotonic clock; absent where it never did. */
export function vouchedUntil(directory: string): number | undefined {
  try {
    const until = Number(readFileSync(join(directory, 'vouch' satisfies ProcessFile), 'latin1'));
    return until > 0 ? until / 1e6 : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
