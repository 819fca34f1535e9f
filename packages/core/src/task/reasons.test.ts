import { describe, expect, test } from 'vitest';
import { backoffMs, failureReasons, retryRule } from './reasons.ts';

/** The retry policy by hand: what is not here is charged and never retried. `waits`: the first four, in milliseconds. */
const expected = `
  reason               charged  session  most  waits
  gate_failed          yes      resume   20    0 0 0 0
  no_change_made       yes      resume   20    0 0 0 0
  lost                 no       resume   5     0 0 0 0
  harness_crashed      yes      resume   20    1000 2000 4000 8000
  harness_failed       yes      resume   20    1000 2000 4000 8000
  transient_api_error  yes      resume   20    5000 10000 20000 40000
  rate_limited         yes      resume   20    5000 10000 20000 40000
  context_exhausted    yes      fresh    20    0 0 0 0
`;

const rows = new Map(
  expected
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s{2,}/))
    .map(([reason, charged, session, most, waits]) => [reason, { charged, session, most, waits }]),
);

describe('the retry table', () => {
  test.each(failureReasons)('%s', (reason) => {
    const row = rows.get(reason);
    const rule = retryRule(reason);
    const waits = [0, 1, 2, 3].map((before) => backoffMs(rule, before)).join(' ');
    if (row) expect({ charged: rule.charged ? 'yes' : 'no', session: rule.session, most: String(rule.most), waits }).toEqual(row);
    expect({ retry: rule.retry, charged: rule.charged }).toEqual(
      row ? { retry: true, charged: row.charged === 'yes' } : { retry: false, charged: true },
    );
  });

  test('names no other reason', () => {
    expect([...rows.keys()].filter((reason) => !failureReasons.some((known) => known === reason))).toEqual([]);
  });

  test.each([
    ['harness_crashed', 60_000],
    ['rate_limited', 300_000],
    ['lost', 0],
  ] as const)('%s never waits longer than %i ms', (reason, mostMs) => {
    for (const before of [10, 100, 5_000]) expect(backoffMs(retryRule(reason), before)).toBe(mostMs);
  });
});
