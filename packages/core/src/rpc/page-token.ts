import { DomainError } from '../errors.ts';
import type { CompletionPlace } from '../store/store.ts';
import type { TaskState } from '../task/task.ts';

/** A page token: where the next page begins, and the filter that it belongs to. Opaque to clients. */
export function writePageToken(before: string, states: readonly TaskState[]): string {
  return Buffer.from(JSON.stringify([1, before, states])).toString('base64url');
}

export function readPageToken(token: string, states: readonly TaskState[]): string {
  const refused = refusedToken();
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed[0] !== 1 || typeof parsed[1] !== 'string' || !/^[0-9a-f-]{36}$/.test(parsed[1])) throw refused;
    if (JSON.stringify(parsed[2]) !== JSON.stringify(states)) throw refused;
    return parsed[1];
  } catch {
    throw refused;
  }
}

/**
 * The same for a usage ledger: how many of its entries were read, and of what. It grows while its task runs; what an attempt had told is replaced
 * when that ends, so that whoever reads just then reads again.
 */
export function writeLedgerToken(skip: number, filter: readonly unknown[]): string {
  return Buffer.from(JSON.stringify([1, skip, filter])).toString('base64url');
}

export function readLedgerToken(token: string, filter: readonly unknown[]): number {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(parsed) && parsed[0] === 1 && Number.isSafeInteger(parsed[1]) && parsed[1] > 0) {
      if (JSON.stringify(parsed[2]) === JSON.stringify(filter)) return Number(parsed[1]);
    }
  } catch {
    // Refused below.
  }
  throw refusedToken();
}

/** The same for completion events: the last one that was read. */
export function writeCompletionToken({ completedAt, taskId }: CompletionPlace, filter: object): string {
  return Buffer.from(JSON.stringify([1, completedAt, taskId, filter])).toString('base64url');
}

export function readCompletionToken(token: string, filter: object): CompletionPlace {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (Array.isArray(parsed) && parsed[0] === 1 && JSON.stringify(parsed[3]) === JSON.stringify(filter)) {
      if (Number.isSafeInteger(parsed[1]) && typeof parsed[2] === 'string') return { completedAt: Number(parsed[1]), taskId: parsed[2] };
    }
  } catch {
    // Refused below.
  }
  throw refusedToken();
}

function refusedToken(): DomainError {
  return new DomainError('INVALID_PAGE_TOKEN', 'page_token is not one that this list gave', {
    hint: 'send next_page_token of the page before, with the same filter, or none for the first page',
  });
}
