import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Lookout, Order, Report } from './attempt/lookout.ts';
import type { LoadedConfiguration } from './config/load.ts';
import type { LoadPluginsOptions } from './load-plugins.ts';

/** What the thread makes its rooms of. */
export interface LookoutSetting extends LoadPluginsOptions {
  readonly loaded: LoadedConfiguration;
  /** The environment of what the daemon starts. */
  readonly children: Readonly<Record<string, string>>;
}

/** The thread beside this file: source where this is source, built where this is built. */
const program = new URL(`./lookout-thread${extname(import.meta.url)}`, import.meta.url);

/** What begins waits for the thread; a thread that hangs keeps nobody from beginning, nor from being cancelled. */
const longestWaitMs = 10_000;

interface Watched {
  readonly onWatching: () => void;
  readonly onHeld: () => void;
}

/**
 * A thread that is started when somebody is to be watched for the first time, and again when it has failed. Without it the daemon's own look holds
 * the limits, only later.
 */
export function createLookout(setting: LookoutSetting): Lookout & { close(): Promise<void> } {
  const watched = new Map<number, Watched>();
  let thread: Worker | undefined;
  let last = 0;
  const start = (): Worker => {
    const started = new Worker(program, { workerData: setting });
    started.unref();
    started.on('message', ({ kind, id }: Report) => (kind === 'held' ? watched.get(id)?.onHeld() : watched.get(id)?.onWatching()));
    // What it meets, the daemon's own look meets as well, and says so.
    started.on('error', () => undefined);
    started.on('exit', () => {
      if (thread === started) thread = undefined;
      for (const { onWatching } of watched.values()) onWatching();
    });
    return started;
  };
  return {
    async close() {
      await thread?.terminate();
    },
    watch(directory, task, onHeld) {
      const id = ++last;
      const { promise: ready, resolve } = Promise.withResolvers<void>();
      const order: Order = { kind: 'watch', id, directory, task };
      watched.set(id, { onWatching: resolve, onHeld });
      setTimeout(resolve, longestWaitMs).unref();
      thread ??= start();
      thread.postMessage(order, []);
      return {
        ready,
        [Symbol.dispose]() {
          watched.delete(id);
          thread?.postMessage({ kind: 'forget', id } satisfies Order, []);
        },
      };
    },
  };
}
