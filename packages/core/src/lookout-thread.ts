/**
 * A thread of the daemon's that does nothing but read what harnesses with limits write, and hold still the one whose limit is reached: the daemon
 * itself may be waiting for its disk just then, and some harnesses make thirty calls a second.
 */
import { readlinkSync, watch, type FSWatcher } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { Order, Report } from './attempt/lookout.ts';
import { Metering } from './attempt/metering.ts';
import { Transcript } from './attempt/transcript.ts';
import { watchdogThresholds } from './config/watchdogs.ts';
import { loadPlugins } from './load-plugins.ts';
import type { LookoutSetting } from './lookout.ts';
import { createCatalogue } from './plugins/catalogue.ts';
import { createPrices } from './pricing/price-list.ts';
import { newestAttempt } from './task/task.ts';

/** Where changes are not told. */
const pollMs = 100;
/** Nothing of it is recorded here. */
const nowhere = { stdout: Infinity, stderr: Infinity };

/** It works for less than a millisecond at a time, and on a busy machine whoever waits for it spends money. Only some may ask for that. */
function goFirst(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), -10);
  } catch {
    // Then it waits like everybody.
  }
}

goFirst();
// Our own daemon has made it.
const setting = workerData as LookoutSetting;
const { loaded, children } = setting;
const plugins = createCatalogue(await loadPlugins(loaded, children, setting));
const thresholds = watchdogThresholds(loaded.configuration);
const rooms = { prices: createPrices(loaded.configuration.prices), now: () => Date.now() };
const watched = new Map<number, Disposable>();

function look(directory: string, task: Extract<Order, { kind: 'watch' }>['task'], onHeld: () => void): Disposable {
  const attempt = newestAttempt(task);
  if (!attempt) throw new Error(`bug: task ${task.id} has no attempt to watch`);
  const plugin = plugins.get(attempt.harness);
  const transcript = new Transcript(directory, plugin, attempt, nowhere, task.spec.limits.maxOutputBytes, thresholds);
  const { hold } = new Metering(task, directory, transcript, plugin, rooms);
  let files: FSWatcher | undefined;
  const end = (): void => {
    clearInterval(timer);
    files?.close();
  };
  const again = (): void => {
    try {
      while (transcript.advance());
      const wasHeld = hold.isHeld;
      hold.look();
      if (hold.isHeld && !wasHeld) onHeld();
    } catch {
      end(); // the daemon's own look meets the same, and says so
    }
  };
  const timer = setInterval(again, pollMs);
  try {
    files = watch(directory, again).on('error', () => undefined);
  } catch {
    // The machine has no watches left.
  }
  again();
  return { [Symbol.dispose]: end };
}

function report(kind: Report['kind'], id: number): void {
  parentPort?.postMessage({ kind, id } satisfies Report, []);
}

parentPort?.on('message', (order: Order) => {
  watched.get(order.id)?.[Symbol.dispose]();
  watched.delete(order.id);
  if (order.kind === 'forget') return;
  watched.set(
    order.id,
    look(order.directory, order.task, () => report('held', order.id)),
  );
  report('watching', order.id);
});
