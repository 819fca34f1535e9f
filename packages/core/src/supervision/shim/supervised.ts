import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessFile, ProcessIdentity, ProcessSpec, StopRequest } from '../protocol.ts';
import type { Logs } from './logs.ts';
import { monotonicMs } from './monotonic.ts';
import { findLiving, residentBytes } from './process-table.ts';
import { order, readStops } from './requests.ts';
import { findMembers, kill, signalProcess, type ProcessTree } from './tree.ts';

/** The process table costs 10 to 20 µs a process: often enough for a short gate, seldom enough beside fifty agents. */
const firstSampleMs = 250;
const longestSampleMs = 8_000;
const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const killStage = 2;

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly at: number;
  readonly monotonic: number;
}

/** A running child: what it may use, what it has used, and how it is brought to its end. */
export class Supervised {
  readonly ended: Promise<End>;
  readonly tree: ProcessTree;
  stop: StopRequest | undefined;
  peakMemoryBytes: number | undefined;

  readonly #child: ProcessIdentity;
  readonly #started = monotonicMs();
  readonly #directory: string;
  readonly #spec: ProcessSpec;
  readonly #logs: Logs;
  readonly #end: (code: number | null, signal: string | null) => void;
  /** Index into `signals` of the hardest one sent, and when. */
  #stage = -1;
  #stageAt = 0;
  #sample = { at: this.#started + firstSampleMs, interval: firstSampleMs };

  constructor(child: ChildProcess, identity: ProcessIdentity, directory: string, spec: ProcessSpec, logs: Logs) {
    this.#child = identity;
    this.#directory = directory;
    this.#spec = spec;
    this.#logs = logs;
    this.tree = { id: spec.id, known: new Map(), leader: identity };
    const { promise, resolve } = Promise.withResolvers<End>();
    this.ended = promise;
    this.#end = (code, signal) => resolve({ code, signal, at: Date.now(), monotonic: monotonicMs() });
    // Not 'close': that waits for every descendant that still holds a descriptor.
    child.once('exit', (code, signal) => this.#end(code, signal));
  }

  /** The limits that need nobody else, and the next step of a stop. */
  enforce(): void {
    const now = monotonicMs();
    const { timeoutMs, outputBytes } = this.#spec.limits;
    const { stdout, stderr } = this.#logs.lengths();
    if (outputBytes !== undefined && Math.max(stdout, stderr) > outputBytes && this.#stage < killStage) {
      // Frozen first, so that the flood ends while the tree still shows who descends from whom; and killed without a grace: to take
      // SIGINT it would have to be continued, and would go on filling the disk.
      this.#signalGroup('SIGSTOP');
      this.request({ kind: 'output_limit', hardness: 'kill', by: 'shim', at: Date.now() });
    }
    if (timeoutMs !== undefined && now - this.#started >= timeoutMs) {
      this.request({ kind: 'timeout', hardness: 'interrupt', by: 'shim', at: Date.now() });
    }
    this.#escalate(now);
  }

  /** What the daemon wants: its stop requests, and its vouching where a limit depends on that. */
  obey(): void {
    for (const stop of readStops(this.#directory)) this.request(stop);
    const { unsupervisedMs } = this.#spec.limits;
    if (unsupervisedMs === undefined) return;
    const path = join(this.#directory, 'vouch' satisfies ProcessFile);
    const until = existsSync(path) ? Number(readFileSync(path, 'latin1')) / 1e6 : this.#started + unsupervisedMs;
    if (monotonicMs() > until) this.request({ kind: 'unsupervised', hardness: 'interrupt', by: 'shim', at: Date.now() });
  }

  /** The memory of the tree now; on the way it is remembered who belongs to it. */
  measure(): void {
    const now = monotonicMs();
    if (now < this.#sample.at) return;
    const interval = Math.min(this.#sample.interval * 2, longestSampleMs);
    this.#sample = { at: now + interval, interval };
    const bytes = findMembers(this.tree, false).reduce((sum, { pid }) => sum + residentBytes(pid), 0);
    if (bytes > 0) this.peakMemoryBytes = Math.max(this.peakMemoryBytes ?? 0, bytes);
  }

  /** The first request is the cause, a later one only makes the stop harder. One that finds the child ended by itself is no cause. */
  request(stop: StopRequest): void {
    const stage = order.indexOf(stop.hardness);
    if (stage <= this.#stage || (this.stop === undefined && findLiving(this.#child) === undefined)) return;
    this.stop ??= stop;
    this.#advance(stage);
  }

  #escalate(now: number): void {
    const { interruptMs, terminateMs, sweepMs } = this.#spec.graces;
    const grace = [interruptMs, terminateMs, sweepMs][this.#stage];
    if (grace === undefined || now - this.#stageAt < grace) return;
    if (this.#stage < killStage) this.#advance(this.#stage + 1);
    // Killed, and still no exit: it hangs in the kernel. The ending names it as a survivor.
    else this.#end(null, null);
  }

  #advance(stage: number): void {
    this.#stage = stage;
    this.#stageAt = monotonicMs();
    const signal = signals[stage] ?? 'SIGKILL';
    // Looked for before the signal, while parents still show who descends from whom.
    const members = findMembers(this.tree);
    this.#signalGroup(signal);
    if (stage === killStage) for (const member of members) signalProcess(member, signal);
    else this.#signalGroup('SIGCONT');
  }

  /** While the child is not reaped, its number names its own group and no other. */
  #signalGroup(signal: NodeJS.Signals): void {
    if (findLiving(this.#child) !== undefined) kill(-this.#child.pid, signal);
  }
}
