import { describe, expect, test } from 'vitest';
import { failureReasons, type FailureReason } from './reasons.ts';
import { backoffMs, fixedReasons, lotOf, nextTry, retryRule, retryTable, type RetryOverride } from './retry.ts';

/** The retry policy by hand: what is not here ends the task and is charged. `waits`: the first four, without jitter, in seconds. */
const expected = `
  reason               action charged  session  most  waits            cap
  unauthenticated      park   no       resume   100   300 600 1200 2400  3600
  rate_limited         retry  no       resume   20    60 120 240 480   900
  quota_exhausted      park   no       resume   100   300 600 1200 2400  3600
  transient_api_error  retry  yes      resume   20    5 10 20 40       300
  context_exhausted    retry  yes      fresh    20    0 0 0 0          0
  stalled              retry  yes      resume   20    5 10 20 40       300
  no_first_output      retry  yes      fresh    20    5 10 20 40       300
  attempt_timeout      retry  yes      resume   20    0 0 0 0          0
  disk_full            retry  no       resume   10    60 120 240 480   900
  gate_failed          retry  yes      resume   20    0 0 0 0          0
  no_change_made       retry  yes      resume   20    0 0 0 0          0
  harness_failed       retry  yes      resume   20    1 2 4 8          60
  harness_crashed      retry  yes      resume   20    1 2 4 8          60
  harness_never_ended  retry  yes      resume   2     0 0 0 0          0
  out_of_memory        retry  yes      resume   1     1 2 4 8          60
  lost                 retry  no       resume   5     0 0 0 0          0
  unsupervised         retry  no       resume   5     0 0 0 0          0
`;

/** What no rule may change. */
const fixed = `harness_missing timeout turn_limit token_limit cost_limit output_limit gate_could_not_run setup_failed cancelled terminated
  killed invalid_configuration workspace_gone workspace_unfreezable internal`;

const rows = new Map(
  expected
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s{2,}/))
    .map(([reason, ...cells]) => [reason, cells]),
);

describe('the retry table', () => {
  test.each(failureReasons)('%s', (reason) => {
    const rule = retryRule(reason);
    expect(rule).toStrictEqual(retryTable[reason]);
    const waits = [0, 1, 2, 3].map((before) => backoffMs(rule, before, 0) / 1_000).join(' ');
    const { action, charged, session, most, backoff } = rule;
    const cells = [action, charged ? 'yes' : 'no', session, String(most), waits, String(backoff.capMs / 1_000)];
    const row = rows.get(reason);
    if (row) expect(cells).toEqual(row);
    else expect([action, charged]).toEqual(['fail', true]);
    // What others shall not do at the same time is spread.
    expect(backoff.jitter).toBe(backoff.initialMs > 0 ? 0.2 : 0);
    for (const before of [10, 99]) expect(backoffMs(rule, before, 0)).toBe(backoff.capMs);
  });

  test('names no other reason', () => {
    expect([...rows.keys()].filter((reason) => !failureReasons.some((known) => known === reason))).toEqual([]);
  });

  test('cannot be changed where trying again would change nothing', () => {
    expect(fixedReasons).toEqual(fixed.split(/\s+/));
    expect(fixedReasons.filter((reason) => retryTable[reason].action !== 'fail')).toEqual([]);
  });
});

describe('what a task or the configuration changes of a rule', () => {
  const crashed = retryTable.harness_crashed;
  const changes: readonly (readonly [string, FailureReason, RetryOverride, object])[] = [
    ['nothing', 'harness_crashed', {}, crashed],
    ['no retry', 'harness_crashed', { retry: false }, { ...crashed, action: 'fail' }],
    ['no waiting for a login', 'unauthenticated', { retry: false }, { ...retryTable.unauthenticated, action: 'fail' }],
    ['not a single retry', 'unauthenticated', { most: 0 }, { ...retryTable.unauthenticated, action: 'fail', most: 0 }],
    ['a retry where there is one', 'quota_exhausted', { retry: true }, retryTable.quota_exhausted],
    [
      'a retry where there is none: a few tries after brief waits',
      'decoder_failed',
      { retry: true },
      { ...crashed, action: 'retry', most: 20, session: 'resume' },
    ],
    ['a retry where there is none, and how often', 'no_progress', { retry: true, most: 1 }, { ...crashed, most: 1 }],
    [
      'all the rest',
      'lost',
      { charged: true, session: 'fresh', most: 2, initialMs: 1, factor: 3, capMs: 9, jitter: 1 },
      { action: 'retry', charged: true, session: 'fresh', most: 2, backoff: { initialMs: 1, factor: 3, capMs: 9, jitter: 1 } },
    ],
    [
      'a first wait that is longer than the longest',
      'harness_crashed',
      { initialMs: 90_000 },
      { ...crashed, backoff: { ...crashed.backoff, initialMs: 90_000, capMs: 90_000 } },
    ],
    [
      'a first wait that is longer than the longest, on purpose',
      'harness_crashed',
      { initialMs: 90_000, capMs: 50 },
      { ...crashed, backoff: { ...crashed.backoff, initialMs: 90_000, capMs: 50 } },
    ],
  ];
  test.each(changes)('%s', (_, reason, change, rule) => {
    expect(retryRule(reason, { [reason]: change, stalled: { retry: false } })).toStrictEqual(rule);
  });
});

describe('the wait before a retry', () => {
  const rule = retryRule('harness_crashed');

  test('is shorter by up to a fifth, by lot', () => {
    expect([0, 0.5, 1].map((lot) => backoffMs(rule, 1, lot))).toEqual([2_000, 1_800, 1_600]);
  });

  test('has the same lot for the same attempt of the same task, and others for others', () => {
    const lots = Array.from({ length: 1_000 }, (_, index) => lotOf(`task-${index % 100}`, Math.floor(index / 100)));
    expect(new Set(lots).size).toBe(1_000);
    expect(lots.every((lot) => lot >= 0 && lot < 1)).toBe(true);
    // Spread, not heaped: each tenth has its share.
    const tenths = Array.from({ length: 10 }, (_, tenth) => lots.filter((lot) => Math.floor(lot * 10) === tenth).length);
    expect(Math.min(...tenths)).toBeGreaterThan(50);
    expect(lotOf('task-1', 2)).toBe(lotOf('task-1', 2));
  });

  test.each([
    ['no reset', undefined, 2_000],
    ['a reset that is past', 10, 2_000],
    ['a reset before its end', 900, 2_000],
    ['a reset after its end', 70_000, 70_000],
  ] as const)('with %s', (_, resetsAt, at) => expect(nextTry(rule, 1, 0, 0, resetsAt)).toBe(at));
});
