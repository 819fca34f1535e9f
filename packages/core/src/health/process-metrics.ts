import { readdirSync } from 'node:fs';
import { constants, monitorEventLoopDelay, PerformanceObserver, type EntryType } from 'node:perf_hooks';
import type { Meter } from '@opentelemetry/api';

/** Nanoseconds of a histogram of Node's, in seconds. */
const seconds = (nanoseconds: number): number => nanoseconds / 1e9;

/** How exactly delays are measured, in milliseconds: a timer that fires so often. */
const resolution = 20;

/** Observes this process under the names of OpenTelemetry's conventions: `process.*`, `nodejs.*` and `v8js.*` of semantic conventions 1.44. */
export function observeProcess(meter: Meter): { stop(): void } {
  const cpu = meter.createObservableCounter('process.cpu.time', {
    unit: 's',
    description: 'CPU time of the daemon, without what it has started.',
  });
  const memory = meter.createObservableUpDownCounter('process.memory.usage', { unit: 'By', description: 'Physical memory of the daemon.' });
  const files = meter.createObservableUpDownCounter('process.unix.file_descriptor.count', {
    unit: '{file_descriptor}',
    description: 'Descriptors that the daemon has open.',
  });
  const uptime = meter.createObservableGauge('process.uptime', { unit: 's', description: 'Time since the daemon was started.' });
  const delay = (name: string, description: string) =>
    meter.createObservableGauge(`nodejs.eventloop.delay.${name}`, { unit: 's', description });
  const [mean, p50, p99, max] = [
    delay('mean', 'By how much the event loop was late, on average since the last export.'),
    delay('p50', 'The same, the median.'),
    delay('p99', 'The same, what one in a hundred exceeds.'),
    delay('max', 'The same, the largest.'),
  ] as const;
  const late = monitorEventLoopDelay({ resolution });
  late.enable();
  meter.addBatchObservableCallback(
    (result) => {
      const { user, system } = process.cpuUsage();
      result.observe(cpu, user / 1e6, { 'cpu.mode': 'user' });
      result.observe(cpu, system / 1e6, { 'cpu.mode': 'system' });
      result.observe(memory, process.memoryUsage.rss());
      result.observe(files, readdirSync('/proc/self/fd').length);
      result.observe(uptime, process.uptime());
      if (late.count === 0) return;
      result.observe(mean, seconds(late.mean));
      result.observe(p50, seconds(late.percentile(50)));
      result.observe(p99, seconds(late.percentile(99)));
      result.observe(max, seconds(late.max));
      late.reset();
    },
    [cpu, memory, files, uptime, mean, p50, p99, max],
  );
  const collections = observeCollections(meter);
  return {
    stop() {
      late.disable();
      collections.disconnect();
    },
  };
}

const kinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

function observeCollections(meter: Meter): PerformanceObserver {
  const duration = meter.createHistogram('v8js.gc.duration', {
    unit: 's',
    description: 'Time that a garbage collection took.',
    advice: { explicitBucketBoundaries: [0.001, 0.01, 0.1, 1] },
  });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = kindOf(entry);
      duration.record(entry.duration / 1_000, kind === undefined ? {} : { 'v8js.gc.type': kind });
    }
  });
  const entryTypes: readonly EntryType[] = ['gc'];
  observer.observe({ entryTypes });
  return observer;
}

/** The types of Node do not know that an entry of this kind has a detail. */
function kindOf(entry: object): string | undefined {
  const detail: unknown = 'detail' in entry ? entry.detail : undefined;
  if (typeof detail !== 'object' || detail === null || !('kind' in detail)) return undefined;
  return typeof detail.kind === 'number' ? kinds[detail.kind] : undefined;
}
