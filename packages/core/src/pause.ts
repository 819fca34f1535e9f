import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after so many milliseconds, or at once when aborted. Keeps no process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
