import type { FailureReason } from './reasons.ts';

/** What a person can do about an attempt that ended for a reason; absent where there is nothing, or where whoever found it says it better. */
export const advice: Readonly<Partial<Record<FailureReason, string>>> = {
  harness_missing: 'look at: singletree harnesses',
  unauthenticated: 'log in to the harness, or give it a key',
  context_exhausted: 'give the task less context, or split it',
  no_first_output: 'if its model is only slow, raise the limit first_output',
  stalled: 'if it is only slow, raise the limit stall',
  attempt_timeout: 'raise the limit attempt_timeout, or split the task',
  timeout: 'raise the limit timeout, or split the task',
  turn_limit: 'raise the limit max_turns, or split the task',
  token_limit: 'raise the limit max_tokens, or split the task',
  cost_limit: 'raise the limit on its cost, declare prices that are not known, or split the task',
  output_limit: 'raise the limit max_output',
  disk_full: 'free some space, or lower the limit min_free_disk',
  no_progress: 'its log shows where; say in the instructions what it should do instead',
  permission_denied: 'give the task more permissions, or other instructions',
  decoder_failed: 'look for another version of its plugin; the log is kept',
  out_of_memory: 'let fewer tasks run at once, or give the machine more memory',
  unsupervised: 'keep a daemon running, or raise supervision.unsupervised_limit',
  internal: "the daemon's log says more",
};

/** A message that ends with what to do, once. */
export function advised(reason: FailureReason, message: string): string {
  const todo = advice[reason];
  return todo === undefined || message.endsWith(todo) ? message : `${message}; ${todo}`;
}
