import type { Instant } from './task.ts';
import type { Provenance, TokenKinds } from './usage.ts';

/**
 * One entry of a task's usage ledger. The entries of an attempt add up to its account: where a total of the harness's holds more than every call
 * that is known, one entry without a `callId` holds the rest.
 */
export interface LedgerEntry extends TokenKinds {
  readonly attempt: number;
  /** The harness's own id of the call, unique in the attempt. */
  readonly callId?: string;
  /** The sub-agent that made the call, by the harness's own id. Absent for the main thread and for a rest. */
  readonly subagent?: string;
  /** It wrote the summary that a compaction leaves: no turn of the conversation. */
  readonly compaction?: true;
  readonly model?: string;
  /** When it was done. */
  readonly at?: Instant;
  /** `missing`: it is known that a call was made, and not what it used. */
  readonly provenance: Provenance;
  /** A kind is missing that only a later word of the harness's or the session's files tell. */
  readonly provisional?: true;
  readonly costUsdMicros?: number;
  readonly costSource?: CostSource;
}

/** Where the cost of a call comes from: the harness's own figure, a price list, or the user's word that the model costs nothing. */
export type CostSource = 'harness' | 'priced' | 'declared_free';

/** What becomes of the ledger of one attempt. `whole`: the entries are all there are; else they are added to it, or replace those with their ids. */
export interface LedgerChange {
  readonly attempt: number;
  readonly entries: readonly LedgerEntry[];
  readonly whole: boolean;
}
