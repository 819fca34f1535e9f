import { randomUUID } from 'node:crypto';
import { DaemonService, DaemonStopMode, GetStatusResponseSchema, HarnessSchema, HarnessService } from '@singletree/protocol';
import type { AddressOptions } from './address.ts';
import { Link } from './link.ts';
import { Tasks, type CallSettings } from './tasks.ts';
import type { DaemonStatus, Harness } from './types.ts';
import { fromWord } from './words.ts';
import { toPlain } from './write.ts';

/** What becomes of the agents when the daemon stops: they live on, are waited for, or are ended. */
export type StopMode = 'leave' | 'drain' | 'kill';

/** A client of one daemon. */
export interface Singletree {
  readonly tasks: Tasks;
  readonly harnesses: {
    /** The harnesses that are configured, with what a probe found. `refresh` probes now; else a probe of the last minute counts. */
    list(settings?: CallSettings & { readonly refresh?: boolean | undefined }): Promise<Harness[]>;
  };
  readonly daemon: {
    status(settings?: CallSettings): Promise<DaemonStatus>;
    /** Stops the daemon. Resolves when the stop has begun. */
    stop(settings?: CallSettings & { readonly mode?: StopMode | undefined }): Promise<void>;
  };
}

/**
 * A client of the local daemon. Each call connects anew, and finds the daemon by the options, `$SINGLETREE_ADDRESS` or the address
 * file in the state folder. Calls throw `NoDaemonError` where there is none, and else a `SingletreeError` with the daemon's reason.
 */
export function connect(options: AddressOptions = {}): Singletree {
  const link = new Link(options);
  return {
    tasks: new Tasks(link),
    harnesses: {
      async list({ refresh = false, signal } = {}) {
        const answer = await link.call(HarnessService, (client, call) => client.listHarnesses({ refresh }, call), signal);
        return answer.harnesses.map((harness) => toPlain(HarnessSchema, harness));
      },
    },
    daemon: {
      async status({ signal } = {}) {
        const answer = await link.call(DaemonService, (client, call) => client.getStatus({}, call), signal);
        return toPlain(GetStatusResponseSchema, answer);
      },
      async stop({ mode = 'leave', signal } = {}) {
        const request = { mode: fromWord('stop mode', DaemonStopMode, mode), requestId: randomUUID() };
        await link.call(DaemonService, (client, call) => client.stopDaemon(request, call), signal);
      },
    },
  };
}
