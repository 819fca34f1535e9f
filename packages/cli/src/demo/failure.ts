import { until, type UntilOptions } from '@singletree/testing';

/** Why the demo cannot go on, in words for the person before the screen. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
}

/** No part of the demo takes nearly as long, a loaded machine included. */
const stageLimitMs = 60_000;

/** Carries out one part of the demo. Its failure says which part that was, and so does a wait in vain. */
export async function during<T>(part: string, act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const limit = AbortSignal.timeout(stageLimitMs);
  try {
    return await Promise.race([act(), rejection(signal), rejection(limit)]);
  } catch (error) {
    signal.throwIfAborted();
    const why =
      error === limit.reason ? `nothing happened for ${stageLimitMs / 1000} s` : error instanceof Error ? error.message : String(error);
    throw new DemoFailure(`${part}: ${why}`, { cause: error });
  }
}

/** As `until`, but no longer than the demo goes on. */
export async function untilTrue(condition: () => boolean | Promise<boolean>, options: UntilOptions, signal: AbortSignal): Promise<void> {
  await until(() => signal.aborted || condition(), options);
  signal.throwIfAborted();
}

/** Rejects with the signal's reason when it aborts. */
function rejection(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
}
