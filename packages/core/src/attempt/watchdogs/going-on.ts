import type { HarnessEventBody } from '@singletree/harness';

/** Whether another model call is sure to follow what was told: some answer has called tools, or a sub-agent is at work, whose words somebody has to read. */
export class GoingOn {
  #newest: string | undefined;
  #asked = false;
  readonly #openTools = new Set<string>();
  readonly #subagents = new Set<string>();

  add(event: HarnessEventBody): void {
    switch (event.kind) {
      case 'model.call':
        if (event.thread !== 'main') return;
        if (event.callId !== this.#newest) this.#asked = this.#openTools.size > 0;
        this.#newest = event.callId;
        this.#asked ||= event.goesOn === true;
        return;
      case 'tool.started':
        if (event.thread !== 'main') return;
        this.#openTools.add(event.toolId);
        this.#asked = true;
        return;
      case 'tool.finished':
        if (event.thread === 'main' && this.#openTools.delete(event.toolId)) this.#asked = true;
        return;
      case 'subagent.started':
        this.#subagents.add(event.subagent);
        return;
      case 'subagent.ended':
        this.#subagents.delete(event.subagent);
        return;
      case 'ended':
        this.#openTools.clear();
        this.#asked = false;
        return;
      default:
        return;
    }
  }

  get isSure(): boolean {
    return this.#asked || this.hasSubagents;
  }

  /** Some are at work. */
  get hasSubagents(): boolean {
    return this.#subagents.size > 0;
  }
}
