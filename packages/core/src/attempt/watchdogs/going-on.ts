import type { HarnessEventBody, Thread } from '@singletree/harness';

/** Whether another model call is sure to follow what was told: some answer has called tools, or a sub-agent is at work, whose words somebody has to read. */
export class GoingOn {
  readonly #newest = new Map<string, string>();
  /** Threads whose last answer asks for what only another call can read. */
  readonly #asking = new Set<string>();
  readonly #openTools = new Set<string>();
  readonly #subagents = new Set<string>();

  add(event: HarnessEventBody): void {
    switch (event.kind) {
      case 'model.call':
        return this.#call(nameOf(event.thread), event.callId, event.goesOn === true);
      case 'tool.started':
        if (event.thread !== 'main') return;
        this.#openTools.add(event.toolId);
        this.#asking.add(main);
        return;
      case 'tool.finished':
        if (event.thread === 'main' && this.#openTools.delete(event.toolId)) this.#asking.add(main);
        return;
      case 'subagent.started':
        this.#subagents.add(event.subagent);
        return;
      case 'subagent.ended':
        this.#subagents.delete(event.subagent);
        this.#asking.delete(event.subagent);
        return;
      case 'ended':
        this.#openTools.clear();
        this.#asking.delete(main);
        return;
      default:
        return;
    }
  }

  get isSure(): boolean {
    return this.#asking.size > 0 || this.hasSubagents;
  }

  /** Some are at work. */
  get hasSubagents(): boolean {
    return this.#subagents.size > 0;
  }

  #call(thread: string, callId: string, goesOn: boolean): void {
    const isNew = this.#newest.get(thread) !== callId;
    this.#newest.set(thread, callId);
    if (goesOn) this.#asking.add(thread);
    // Tools that are told before their call are still open.
    else if (isNew && (thread !== main || this.#openTools.size === 0)) this.#asking.delete(thread);
  }
}

/** No id of a sub-agent is empty. */
const main = '';

function nameOf(thread: Thread): string {
  return thread === 'main' ? main : thread.subagent;
}
