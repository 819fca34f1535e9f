import {
  addTokens,
  defined,
  subtractTokens,
  usesTokens,
  type HarnessEventBody,
  type ModelUsage,
  type TokenUsage,
} from '@singletree/harness';

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

  /** What broke off and is not in this total; `unknown` if that cannot be told. Begins the next span. */
  close(total: readonly ModelUsage[]): { readonly missing: readonly ModelUsage[]; readonly isUnknown: boolean } {
    const [cuts, isLost, isUntold] = [this.#cuts, this.#isLost, this.#isUntold];
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#cuts = [];
    [this.#isLost, this.#isUntold] = [false, false];
    if (cuts.length === 0) return { missing: [], isUnknown: isLost };
    const whole = addTokens(...total.map(({ usage }) => usage));
    const known = addTokens(...calls.map(({ usage }) => usage));
    if (isUntold || calls.some(({ provisional }) => provisional === true) || exceeds(known, whole)) return { missing: [], isUnknown: true };
    const beyond = subtractTokens(whole, known);
    if (!usesTokens(beyond)) return { missing: cuts.map(({ model, usage }) => defined({ model, usage })), isUnknown: isLost };
    const cut = addTokens(...cuts.map(({ usage }) => usage));
    if (!exceeds(cut, beyond)) return { missing: [], isUnknown: isLost };
    // Some of them are in it.
    if (cuts.length === 1 || exceeds(beyond, cut)) return { missing: [], isUnknown: true };
    return { missing: [defined({ model: cuts[0]?.model, usage: subtractTokens(cut, beyond) })], isUnknown: isLost };
  }
}

function exceeds(part: TokenUsage, whole: TokenUsage): boolean {
  return (['uncachedInputTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens', 'outputTokens'] as const).some(
    (kind) => (part[kind] ?? 0) > (whole[kind] ?? 0),
  );
}
