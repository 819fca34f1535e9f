import { setTimeout as sleep } from 'node:timers/promises';
import type { ExitRecord, ProcessSpec, StopRequest } from '../protocol.ts';
import { describeSpawnError } from './child.ts';
import { hasCode } from './error-code.ts';
import { failpoint } from './failpoint.ts';
import { launch, type Launched } from './launch.ts';
import type { Logs } from './logs.ts';
import { monotonicMs } from './monotonic.ts';
import { insist, say } from './persist.ts';
import { sweep } from './tree.ts';

/** What the machine may have again in a moment, and no fault of the command. */
const shortages = ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'];
const retryMs = 1_000;
const mostTries = 10;

export interface Begun {
  readonly launched: Launched;
  /** By the monotonic clock, before the child was there. */
  readonly started: number;
}

/** Why there is no child. */
export type Unborn = Pick<ExitRecord, 'stop' | 'spawnError'> & Partial<Pick<ExitRecord, 'swept' | 'survivors'>>;

/** Starts the child, unless something wants its end before. A machine that lacks something for a moment does not fail it. */
export async function begin(
  spec: ProcessSpec,
  secrets: Record<string, string>,
  directory: string,
  logs: Logs,
  unwanted: () => Promise<StopRequest | undefined>,
): Promise<Begun | Unborn> {
  for (let tries = 1; ; tries += 1) {
    const stop = await unwanted();
    if (stop) return { stop };
    failpoint('shim.spawn.before');
    const started = monotonicMs();
    try {
      return { launched: await launch(spec, secrets, directory, logs), started };
    } catch (error) {
      // Of a child that was there, but could not be looked after, something may be left.
      const left = await insist(directory, () => sweep({ id: spec.id, known: new Map() }, spec.graces.sweepMs));
      if (tries === mostTries || !hasCode(error, ...shortages)) return { spawnError: describeSpawnError(error), ...left };
      say(error);
      await sleep(retryMs);
    }
  }
}
