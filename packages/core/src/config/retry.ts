import { defined } from '@singletree/harness';
import type { RetryOverrides } from '../task/retry.ts';
import type { Configuration } from './schema.ts';

/** The configuration's changes to the retry table, in the life cycle's words. */
export function retryOverrides({ retry }: Configuration): RetryOverrides {
  return Object.fromEntries(
    Object.entries(retry).map(([reason, { initial, cap, max_retries, ...rule }]) => [
      reason,
      defined({ ...rule, initialMs: initial, capMs: cap, most: max_retries }),
    ]),
  );
}
