import { addTokens, defined, usesTokens, type HarnessEventBody, type ModelUsage } from '@singletree/harness';
import { excess, inKindsOf } from './tokens.ts';

type Call = Extract<HarnessEventBody, { kind: 'model.call' }>;

interface Cut extends ModelUsage {
  readonly callId?: string;
}

/**
 * What happened between two totals. Answers that broke off are in a total or not, depending on how they broke off and on the version; which of the
 * two shows by what the total holds beyond all other calls, where these are known.
 */
export class Span {
  readonly #calls = new Map<string, Call>();
  #cuts: Cut[] = [];
  #isLost = false;
  #isUntold = false;

  call(call: Call): void {
    this.#calls.set(call.callId, call);
  }

  /** An answer that broke off after it had told its beginning. */
  cut(begun: Cut): void {
    if (begun.callId !== undefined) this.#calls.delete(begun.callId);
    this.#cuts.push(begun);
  }

  /** Something broke off of which nothing is told. */
  lose(): void {
    this.#isLost = true;
  }

  /** Something is used that no call tells: a compaction, a sub-agent. */
  untold(): void {
    this.#isUntold = true;
  }

  /**
   * Begins the next span. `missing`: what broke off and is not in this total. `isOpen`: something was used beside both, such as the output of an
   * answer before it broke off.
   */
  close(total: readonly ModelUsage[]): { readonly missing: readonly ModelUsage[]; readonly isOpen: boolean } {
    const missing = this.#missing(total);
    const isOpen = this.#isLost || this.#cuts.length > 0 || missing.length > 0;
    this.#calls.clear();
    this.#cuts = [];
    [this.#isLost, this.#isUntold] = [false, false];
    return { missing, isOpen };
  }

  #missing(total: readonly ModelUsage[]): readonly ModelUsage[] {
    const calls = [...this.#calls.values()];
    if (this.#isUntold || calls.some(({ provisional }) => provisional === true)) return [];
    const whole = addTokens(...total.map(({ usage }) => usage));
    const known = inKindsOf(whole, addTokens(...calls.map(({ usage }) => usage)));
    const cuts = this.#cuts.map(({ model, usage }): ModelUsage => defined({ model, usage: inKindsOf(whole, usage) }));
    const cut = addTokens(...cuts.map(({ usage }) => usage));
    // It happens that a total leaves out an answer that broke off after it had told its end.
    const left = excess(known, whole);
    if (usesTokens(left)) return [...cuts, { ...modelOf(calls), usage: left }];
    const beyond = excess(whole, known);
    if (!usesTokens(beyond)) return cuts;
    const missing = excess(cut, beyond);
    // Some of several may be in it; what is more than all of them is something else.
    if (!usesTokens(missing) || cuts.length === 1 || usesTokens(excess(beyond, cut))) return [];
    return [{ ...modelOf(cuts), usage: missing }];
  }
}

function modelOf(calls: readonly { readonly model?: string }[]): Pick<ModelUsage, 'model'> {
  return defined({ model: calls[0]?.model });
}
