import { describe, expect, test } from 'vitest';
import type { CompletionEvent } from './completion.ts';
import { failureReasons, type FailureReason } from './reasons.ts';
import {
  aGate,
  aTree,
  claim,
  completionAfter,
  died,
  errored,
  exited,
  expectFields,
  failed,
  openWorkspace,
  passed,
  reconciled,
  running,
  runningAgain,
  silent,
  stop,
} from './samples.testsuite.ts';
import { block } from './situations.testsuite.ts';

const judged = { kind: 'judged' } as const;
const required = [aGate('test'), aGate('lint')];
const gates = [aGate('test'), aGate('lint', { required: false })];
const limits = { timeoutMs: 5_000, maxOutputBytes: 9, maxAttempts: 1 };
const review = [...running, exited(), reconciled()];
const unchanged = aTree({ changed: false });
const gone = { reason: 'workspace_gone', message: 'it is gone' } as const;
const says = (reason: FailureReason, set: Parameters<typeof silent>[1] = {}) => [
  ...running,
  exited(),
  silent({}, { evidence: { result: 'failed', reason, message: 'so it said' }, ...set }),
];
const lostTimes = (count: number) =>
  Array.from({ length: count }, (_, index) => [
    ...(index === 0 ? running : runningAgain(index + 1)),
    died(`harness-${index + 1}`),
    silent(),
  ]).flat();

const events: Readonly<Record<string, CompletionEvent>> = {
  'every gate green': completionAfter({ gates }, ...review, passed, passed, judged),
  'no gate': completionAfter({}, ...review, judged),
  'optional gate red': completionAfter({ gates }, ...review, passed, failed, judged),
  'optional gate errored': completionAfter({ gates }, ...review, passed, errored, judged),
  'only gate errored, optional': completionAfter({ gates: gates.slice(1) }, ...review, errored, judged),
  'only gate red, optional': completionAfter({ gates: gates.slice(1) }, ...review, failed, judged),
  'gates red, a change': completionAfter({ gates: required, limits }, ...review, failed, failed, judged),
  'gates red, no change': completionAfter({ gates, limits }, ...running, exited(), reconciled({ tree: unchanged }), failed, passed, judged),
  'gate could not run': completionAfter({ gates: required }, ...review, errored, passed, judged),
  'no change made': completionAfter({ gates, taskType: 'testing', limits }, ...running, exited(), reconciled({ tree: unchanged })),
  'time limit': completionAfter({ gates }, ...running, exited('harness-1', { stop: 'timeout' }), reconciled()),
  'time limit of an attempt': completionAfter({ limits }, ...running, exited('harness-1', { stop: 'attempt_timeout' }), reconciled()),
  'output limit': completionAfter({}, ...running, exited('harness-1', { stop: 'output_limit' }), reconciled()),
  'turn limit, a change': completionAfter({}, ...says('turn_limit')),
  'token limit, a change': completionAfter({}, ...says('token_limit')),
  'cost limit, a change': completionAfter({}, ...says('cost_limit')),
  'cost limit, no change': completionAfter({}, ...says('cost_limit', { tree: unchanged })),
  'turn limit, nothing frozen': completionAfter(
    {},
    ...says('turn_limit', { tree: gone, failure: { reason: 'turn_limit', message: '9 turns' } }),
  ),
  'cancelled in CREATED': completionAfter({ gates }, stop('cancel')),
  'cancelled in ASSIGNED': completionAfter({ gates }, claim, stop('cancel')),
  'cancelled in IN_PROGRESS': completionAfter({ gates }, ...running, stop('cancel'), exited('harness-1', { stop: 'cancel' }), silent()),
  'cancelled in IN_REVIEW': completionAfter({ gates: required }, ...review, passed, stop('cancel')),
  'cancelled after a red gate': completionAfter({ gates: required }, ...review, failed, stop('cancel')),
  'cancelled after all gates': completionAfter({ gates: required }, ...review, passed, passed, stop('cancel')),
  'cancelled in BLOCKED': completionAfter({ gates }, block, stop('cancel')),
  terminated: completionAfter({}, ...running, stop('terminate'), exited(), silent()),
  'killed in CREATED': completionAfter({}, stop('kill')),
  'killed in IN_PROGRESS': completionAfter({}, ...running, stop('kill'), exited(), reconciled()),
  'killed in IN_REVIEW': completionAfter({ gates }, ...review, failed, stop('kill')),
  'killed in BLOCKED': completionAfter({}, block, stop('kill')),
  'lost for good': completionAfter({}, ...lostTimes(6)),
  'decoder failed': completionAfter({}, ...running, exited(), reconciled({ failure: { reason: 'decoder_failed', message: 'line 3' } })),
  'could not be frozen': completionAfter(
    {},
    ...running,
    exited(),
    reconciled({ tree: { reason: 'workspace_unfreezable', message: 'bad index' } }),
  ),
};

/** By hand: the outcome, the failure's reason, and the gates: whether they passed, then those that ran, failed and errored. `-`: absent, or none. */
const expected = `
                              outcome  reason                 passed  run        failed     errored
  every gate green            success  -                      true    test,lint  -          -
  no gate                     success  -                      -       -          -          -
  optional gate red           partial  -                      true    test,lint  lint       -
  optional gate errored       partial  -                      true    test       -          lint
  only gate errored, optional partial  -                      -       -          -          lint
  only gate red, optional     partial  -                      true    lint       lint       -
  gates red, a change         partial  gate_failed            false   test,lint  test,lint  -
  gates red, no change        failure  gate_failed            false   test,lint  test       -
  gate could not run          failure  gate_could_not_run     false   lint       -          test
  no change made              failure  no_change_made         -       -          -          -
  time limit                  timeout  timeout                -       -          -          -
  time limit of an attempt    timeout  attempt_timeout        -       -          -          -
  output limit                failure  output_limit           -       -          -          -
  turn limit, a change        partial  turn_limit             -       -          -          -
  token limit, a change       partial  token_limit            -       -          -          -
  cost limit, a change        partial  cost_limit             -       -          -          -
  cost limit, no change       failure  cost_limit             -       -          -          -
  turn limit, nothing frozen  failure  turn_limit             -       -          -          -
  cancelled in CREATED        failure  cancelled              -       -          -          -
  cancelled in ASSIGNED       failure  cancelled              -       -          -          -
  cancelled in IN_PROGRESS    failure  cancelled              -       -          -          -
  cancelled in IN_REVIEW      failure  cancelled              -       test       -          -
  cancelled after a red gate  failure  cancelled              false   test       test       -
  cancelled after all gates   failure  cancelled              true    test,lint  -          -
  cancelled in BLOCKED        failure  cancelled              -       -          -          -
  terminated                  failure  terminated             -       -          -          -
  killed in CREATED           failure  killed                 -       -          -          -
  killed in IN_PROGRESS       failure  killed                 -       -          -          -
  killed in IN_REVIEW         failure  killed                 false   test       test       -
  killed in BLOCKED           failure  killed                 -       -          -          -
  lost for good               failure  lost                   -       -          -          -
  decoder failed              failure  decoder_failed         -       -          -          -
  could not be frozen         failure  workspace_unfreezable  -       -          -          -
`;

const rows = expected
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => /^ {2}(.{27}) (\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+)$/.exec(line) ?? [])
  .map(([, name = '', ...cells]) => [name.trim(), cells] as const);

describe('the outcome of every ending', () => {
  test('is in the table', () => expect(new Set(rows.map(([name]) => name))).toEqual(new Set(Object.keys(events))));

  test.each(rows)('%s', (name, cells) => {
    const event = events[name]!;
    const list = (names: readonly string[]) => names.join() || '-';
    const passedCell = 'qualityGatePassed' in event ? String(event.qualityGatePassed) : '-';
    const { qualityGatesRun, qualityGatesFailed, qualityGatesErrored } = event;
    expect([
      event.outcome,
      event.failure?.reason ?? '-',
      passedCell,
      list(qualityGatesRun),
      list(qualityGatesFailed),
      list(qualityGatesErrored),
    ]).toEqual(cells);
    // What was frozen is told whatever the outcome, and where nothing was, there is no count.
    const { files } = event;
    expectFields(
      event,
      files.length > 0
        ? { commit: 'c1', filesChanged: 1 }
        : { commit: undefined, ref: undefined, filesChanged: undefined, linesAdded: undefined, linesRemoved: undefined },
    );
    expect('failure' in event).toBe(cells[1] !== '-');
  });

  test('the whole failure is told', () => {
    expect(events['decoder failed']?.failure).toStrictEqual({
      reason: 'decoder_failed',
      message: 'line 3; look for another version of its plugin; the log is kept',
    });
    expect(events['cancelled in IN_REVIEW']?.failure).toStrictEqual({ reason: 'cancelled', message: 'cancelled by anna', by: 'anna' });
    expectFields(events['lost for good']!, { attemptCount: 6, retryCount: 5, retriesByCause: { lost: 5 } });
  });
});

const notFailure: Partial<Record<FailureReason, string>> = {
  timeout: 'timeout',
  attempt_timeout: 'timeout',
  gate_failed: 'partial',
  turn_limit: 'partial',
  token_limit: 'partial',
  cost_limit: 'partial',
};

test.each(failureReasons)('an attempt that ends with a changed tree and the reason %s', (reason) => {
  const event = completionAfter({ limits, retry: { [reason]: { retry: false } } }, ...says(reason));
  expect(event.outcome).toBe(notFailure[reason] ?? 'failure');
  expect(event.failure?.reason).toBe(reason);
});

test.each(['harness_missing', 'unauthenticated', 'invalid_configuration', 'workspace_gone', 'internal'] as const)(
  'a step that fails: %s',
  (reason) => {
    expectFields(completionAfter({ gates }, claim, openWorkspace, { kind: 'fail', reason, message: 'no' }), {
      outcome: 'failure',
      failure: { reason, message: 'no' },
      attemptCount: 0,
      qualityGatePassed: undefined,
      base: undefined,
    });
  },
);
