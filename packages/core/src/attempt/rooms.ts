import type { Engine } from '../engine/engine.ts';
import type { Catalogue } from '../plugins/catalogue.ts';
import type { Prices } from '../pricing/prices.ts';
import type { Store } from '../store/store.ts';
import type { Containment } from '../supervision/containment/choose.ts';
import type { Instant } from '../task/task.ts';
import type { Lookout } from './lookout.ts';
import type { WatchdogThresholds } from './watchdogs/thresholds.ts';
import type { Workspaces } from './workspaces.ts';

/** What the steps of an attempt work with: everything that touches the world is passed in. */
export interface Rooms {
  readonly store: Store;
  readonly engine: Engine;
  readonly plugins: Catalogue;
  readonly workspaces: Workspaces;
  readonly now: () => Instant;
  readonly newId: () => string;
  /** Where process directories lie, whose they are, and the file in which their shims find the kill switches. */
  readonly processes: { readonly root: string; readonly stateId: string; readonly killSwitch: string };
  /** How processes are held that are started from now on. */
  readonly containment: Containment;
  /** The allowlisted environment of everything that is started. */
  readonly environment: Readonly<Record<string, string>>;
  readonly root: boolean;
  /** Where it is recorded which folders the user trusts; absent where the daemon's user has no home. */
  readonly trustFile: string | undefined;
  readonly watchdogs: WatchdogThresholds;
  readonly prices: Prices;
  /** How long a process whose limits need the daemon may run on without one. */
  readonly unsupervisedMs: number;
  readonly lookout?: Lookout;
}

/** Graces of the stop order and of the sweep after it. Claude Code needs up to 0.2 s from SIGINT to its closing words; a busy machine ten times that. */
export const graces = { interruptMs: 5_000, terminateMs: 5_000, sweepMs: 10_000 } as const;
