import { existsSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Again each second until it is done: a full disk or a lack of descriptors passes, and nobody else can tell this ending. */
export async function insist<T>(directory: string, act: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!existsSync(directory)) throw error;
      say(error);
      await sleep(1_000);
    }
  }
}

/** One look that fails, for want of a descriptor perhaps, must not leave the child alone: the next one comes in a moment. */
export function guard<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    say(error);
    return undefined;
  }
}

let lastSaid = '';
/** To shim.log. Once, where the same is said again and again. */
export function say(error: unknown): void {
  const [what, text] = error instanceof Error ? [error.message, error.stack ?? error.message] : [String(error), String(error)];
  if (what === lastSaid) return;
  lastSaid = what;
  try {
    writeSync(process.stderr.fd, `${new Date().toISOString()} ${text}\n`);
  } catch {
    // The disk is full: there is nowhere to say it, and the child must not be left alone for that.
  }
}
