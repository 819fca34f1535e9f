/** What is known to be used. */
export interface Consumed {
  /** Of all kinds on both sides. */
  readonly tokens: number;
  readonly costUsdMicros: number;
  /** Why some of it has no price, as a clause. */
  readonly unpriced?: string;
  /** Prompt of the newest call of the main thread by context window; absent where one of them is not known. */
  readonly contextUtilization?: number;
}

/** How an attempt spends what its task may use. */
export interface Consumption {
  readonly spent: Consumed;
  /** What had been used when each call began, as far as that was known then: a call each, in the order in which they were told. */
  readonly begunAt: readonly Consumed[];
  /** Another model call is sure to follow, unless somebody stops it. */
  readonly goesOn: boolean;
}

export const nothingConsumed: Consumption = { spent: { tokens: 0, costUsdMicros: 0 }, begunAt: [], goesOn: false };
