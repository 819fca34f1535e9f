import type { Server } from './rpc/server.ts';
import type { Store } from './store/store.ts';
import { finalStates } from './task/task.ts';

export interface IdleParts {
  readonly store: Pick<Store, 'countByState'>;
  readonly outbox: { status(): Promise<{ readonly state: string; readonly pending: number }> };
  readonly server: Pick<Server, 'activeCalls'>;
  readonly onIdle: () => void;
}

/** Calls back once nothing has needed the daemon for so long: no unfinished task, no row to deliver, no call, no watcher. */
export function idleAfter(idleMs: number, parts: IdleParts): { stop(): void } {
  let since: number | undefined;
  const look = async (): Promise<void> => {
    if (await isBusy(parts)) since = undefined;
    else if (since === undefined) since = performance.now();
    else if (performance.now() - since >= idleMs) parts.onIdle();
  };
  const timer = setInterval(() => void look().catch(() => (since = undefined)), Math.min(idleMs / 4, 15_000));
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

async function isBusy({ store, outbox, server }: IdleParts): Promise<boolean> {
  if (server.activeCalls() > 0) return true;
  const counts = await store.countByState();
  if (Object.entries(counts).some(([state, count]) => count > 0 && !finalStates.some((final) => final === state))) return true;
  const { state, pending } = await outbox.status();
  return state !== 'off' && pending > 0;
}
