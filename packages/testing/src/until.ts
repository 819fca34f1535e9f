import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  /** What is waited for, in words that complete "timed out waiting for …". */
  readonly what: string;
  /** Default 5000. */
  readonly timeoutMs?: number;
  /** Time between two looks; default 10. */
  readonly everyMs?: number;
}

type Falsy = false | 0 | '' | null | undefined;

/**
 * Looks again and again until the condition gives something truthy, and gives that. A condition that throws has not come true
 * yet. On timeout the error says what was waited for, how long, and what the last look gave or threw.
 */
export async function until<T>(condition: () => T | Falsy | Promise<T | Falsy>, options: UntilOptions): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 5000;
  const begin = performance.now();
  for (;;) {
    let last: string;
    let cause: unknown;
    try {
      const found = await condition();
      if (found) return found;
      last = `last look gave ${JSON.stringify(found)}`;
    } catch (error) {
      last = `last look threw ${String(error)}`;
      cause = error;
    }
    if (performance.now() - begin >= timeoutMs)
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${options.what}; ${last}`, { cause });
    await sleep(options.everyMs ?? 10);
  }
}
