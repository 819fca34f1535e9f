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
import { configuredPlugin } from './load-plugins.ts';
import type { LookoutSetting } from './lookout.ts';
import type { Plugin } from './plugins/catalogue.ts';
import { createPrices } from './pricing/price-list.ts';
import { newestAttempt } from './task/task.ts';

type WatchOrder = Extract<Order, { kind: 'watch' }>;

/** Where changes are not told. */
const pollMs = 100;
const warmUpRounds = 200;
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
const plugins = new Map<string, Promise<Plugin>>();
const thresholds = watchdogThresholds(loaded.configuration);
const rooms = { prices: createPrices(loaded.configuration.prices), now: () => Date.now() };
const watched = new Map<number, Disposable>();

/** Each once, when it is first needed. */
function pluginOf(id: string): Promise<Plugin> {
  const known = plugins.get(id) ?? configuredPlugin(id, loaded, children, setting).then(warmedUp);
  plugins.set(id, known);
  return known;
}

/** What is done for the first time takes a hundred times as long: the first call of the first task must not be the one that waits for it. */
function warmedUp(plugin: Plugin): Plugin {
  const line = Buffer.from(`${JSON.stringify({ type: 'warm', text: 'x'.repeat(500) })}\n`);
  const decoder = plugin.harness.decoder('stdout', undefined);
  for (let round = 0; round < warmUpRounds; round += 1) {
    decoder.push(line);
    rooms.prices.price({ model: 'warm', usage: { outputTokens: 1 }, at: rooms.now() });
  }
  return plugin;
}

function look({ directory, task }: WatchOrder, plugin: Plugin, onHeld: () => void): Disposable {
  const attempt = newestAttempt(task);
  if (!attempt) throw new Error(`bug: task ${task.id} has no attempt to watch`);
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

async function obey(order: Order): Promise<void> {
  const { id } = order;
  if (order.kind === 'forget') {
    watched.get(id)?.[Symbol.dispose]();
    watched.delete(id);
    return;
  }
  const plugin = await pluginOf(order.task.spec.harness);
  watched.set(
    id,
    look(order, plugin, () => report('held', id)),
  );
  report('watching', id);
}

// One at a time: what is to be forgotten was watched before.
let obeyed = Promise.resolve();
parentPort?.on('message', (order: Order) => {
  // Who cannot be watched here is looked at by the daemon, which meets the same and says so.
  obeyed = obeyed.then(() => obey(order).catch(() => report('watching', order.id)));
});
