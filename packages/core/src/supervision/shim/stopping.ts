import type { ProcessIdentity, ProcessSpec, StopRequest } from '../protocol.ts';
import { around } from './failpoint.ts';
import { monotonicMs } from './monotonic.ts';
import { findLiving } from './process-table.ts';
import { hardnesses } from './requests.ts';
import { findMembers, killTree, signalGroup, type ProcessTree } from './tree.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const killStage = 2;

/** A child's way to its end: SIGINT, SIGTERM, SIGKILL, each after the grace of the one before. */
export class Stopping {
  /** The first request that was acted on: the cause of the ending. */
  cause: StopRequest | undefined;
  readonly #tree: ProcessTree & { readonly leader: ProcessIdentity };
  readonly #graces: ProcessSpec['graces'];
  readonly #giveUp: () => void;
  /** Index into `signals` of the hardest one sent, and when. */
  #stage = -1;
  #stageAt = 0;

  /** @param giveUp called when SIGKILL has changed nothing for as long as a sweep may take */
  constructor(tree: ProcessTree & { readonly leader: ProcessIdentity }, graces: ProcessSpec['graces'], giveUp: () => void) {
    this.#tree = tree;
    this.#graces = graces;
    this.#giveUp = giveUp;
  }

  /** The first request is the cause, a later one only makes the stop harder. One that finds the child ended by itself is no cause. */
  request(stop: StopRequest): void {
    const stage = hardnesses.indexOf(stop.hardness);
    if (stage <= this.#stage || (this.cause === undefined && findLiving(this.#tree.leader) === undefined)) return;
    this.cause ??= stop;
    this.#advance(stage);
  }

  /** The next step, when the grace of the last one is over. */
  escalate(now: number): void {
    const { interruptMs, terminateMs, sweepMs } = this.#graces;
    const grace = [interruptMs, terminateMs, sweepMs][this.#stage];
    if (grace === undefined || now - this.#stageAt < grace) return;
    if (this.#stage < killStage) this.#advance(this.#stage + 1);
    else this.#giveUp();
  }

  #advance(stage: number): void {
    this.#stage = stage;
    this.#stageAt = monotonicMs();
    const signal = signals[stage];
    if (signal === undefined || signal === 'SIGKILL') {
      const tell = around('shim.kill');
      tell('before');
      killTree(this.#tree);
      tell('after');
      return;
    }
    // Looked for before the signal, while parents still show who descends from whom.
    findMembers(this.#tree);
    signalGroup(this.#tree.leader, signal);
    // One that is stopped takes its signal only when it goes on.
    signalGroup(this.#tree.leader, 'SIGCONT');
  }
}
