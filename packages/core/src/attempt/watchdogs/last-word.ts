import { reopens, type HarnessEventBody } from '@singletree/harness';

/** Whether the CLI's closing words are its last, and nothing is known that would wake it again. */
export class LastWord {
  #said = false;
  #isWaiting = false;

  add(event: HarnessEventBody): void {
    if (reopens(event)) this.#said = false;
    if (event.kind !== 'ended') return;
    this.#said = true;
    this.#isWaiting = (event.pending ?? 0) > 0;
  }

  get isFinal(): boolean {
    return this.#said && !this.#isWaiting;
  }
}
