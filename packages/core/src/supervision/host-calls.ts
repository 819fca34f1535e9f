import { hostCall, type HostAnswer, type HostCallOptions } from './host.ts';
import { markerName, markerOf } from './protocol.ts';

/**
 * Host calls that change what the next daemon will find. They end with their daemon, and carry the marker of its state folder: what a daemon
 * that was killed has left of them is swept at the next start, before anything is begun again.
 */
export class HostCalls {
  readonly #marker: string;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<HostAnswer>>();

  constructor(stateId: string) {
    this.#marker = markerOf(stateId, 'host');
  }

  /** As `hostCall`. Rejects also when the daemon ends meanwhile, however the program itself has ended. */
  readonly call = async (file: string, args: readonly string[], options: HostCallOptions = {}): Promise<HostAnswer> => {
    const env = { ...options.env, [markerName]: this.#marker };
    const answer = hostCall(file, args, { ...options, env, signal: this.#ending.signal });
    this.#running.add(answer);
    try {
      return await answer;
    } finally {
      this.#running.delete(answer);
    }
  };

  /** Ends what runs and resolves when it is gone. Nothing can be started any more. */
  async end(): Promise<void> {
    this.#ending.abort(new Error('the daemon ends'));
    await Promise.allSettled(this.#running);
  }
}
