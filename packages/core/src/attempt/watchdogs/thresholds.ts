/** At how many a watchdog warns and at how many it stops the attempt; where one is absent it never does. */
export interface Threshold {
  readonly warn?: number;
  readonly stop?: number;
}

/** What is done about a harness that talks and gets nowhere. */
export interface WatchdogThresholds {
  /** The same call with the same result, in a row. */
  readonly sameCall: Threshold;
  /** The same call that fails, in a row. */
  readonly sameFailure: Threshold;
  /** Model calls in a row that called no tool, although the CLI did not end. */
  readonly emptyTurns: Threshold;
  /** Model calls of the main thread since a file was changed. */
  readonly unchangedTurns: Threshold;
  /** How long a harness may be silent after its final result. */
  readonly endGraceMs: number;
}
