import type { HarnessEvent, Thread } from '@singletree/harness';

interface Work {
  readonly openTools: Set<string>;
  /** All that the last answer asked for is there: the next call is sent, or about to be. */
  isDue: boolean;
}

/** Which threads wait for the model, as far as the output tells. */
export class OpenRequests {
  readonly #threads = new Map<string, Work>();
  readonly #calls = new Set<string>();

  add(event: HarnessEvent): void {
    switch (event.kind) {
      case 'session.started':
      case 'compaction':
        this.#of('main').isDue = true;
        return;
      case 'subagent.started':
        this.#of({ subagent: event.subagent }).isDue = true;
        return;
      case 'subagent.ended':
        this.#threads.delete(event.subagent);
        return;
      case 'model.call':
        // Told again at its end, when its tools may have theirs already.
        if (!this.#calls.has(event.callId)) this.#of(event.thread).isDue = false;
        this.#calls.add(event.callId);
        return;
      case 'tool.started':
        this.#of(event.thread).openTools.add(event.toolId);
        return;
      case 'tool.finished': {
        const work = this.#of(event.thread);
        if (work.openTools.delete(event.toolId)) work.isDue = work.openTools.size === 0;
        return;
      }
      case 'ended':
        this.#of('main').isDue = false;
        return;
      default:
        return;
    }
  }

  get any(): boolean {
    return [...this.#threads.values()].some(({ isDue }) => isDue);
  }

  #of(thread: Thread): Work {
    const name = thread === 'main' ? '' : thread.subagent;
    const work = this.#threads.get(name) ?? { openTools: new Set<string>(), isDue: false };
    this.#threads.set(name, work);
    return work;
  }
}
