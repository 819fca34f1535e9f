import { expect, test } from 'vitest';
import type { TaskEvent, TaskEventBody } from '../../task/events.ts';
import { noon } from '../stand-ins.testsuite.ts';
import { waitsOf } from './waits.ts';

type Change = Extract<TaskEventBody, { kind: 'state_changed' }>;

function changes(...rows: readonly [number, Change['edge'], Change['to'], Change['reason']?][]): TaskEvent[] {
  return rows.map(([seconds, edge, to, reason], index) => ({
    sequence: index + 1,
    at: noon + seconds * 1_000,
    body: { kind: 'state_changed', from: 'created', to, edge, ...(reason ? { reason } : {}) },
  }));
}

const started: readonly [number, Change['edge'], Change['to']][] = [
  [3, 'assign', 'assigned'],
  [4, 'start', 'in_progress'],
];
const wait = (kind: string, from: number, to: number, reason?: string): object => ({
  kind,
  from: noon + from * 1_000,
  to: noon + to * 1_000,
  ...(reason === undefined ? {} : { reason }),
});

test.each<[string, TaskEvent[], object[]]>([
  ['the queue', changes(...started, [8, 'submit', 'in_review'], [9, 'accept', 'completed']), [wait('queue', 0, 3)]],
  ['a task that was never dispatched waited to its end', changes([5, 'cancel', 'cancelled']), [wait('queue', 0, 5)]],
  [
    'a retry and a rework wait in the queue again, and say why',
    changes(
      ...started,
      [5, 'retry', 'created', 'lost'],
      [7, 'assign', 'assigned'],
      [8, 'submit', 'in_review'],
      [9, 'rework', 'created', 'gate_failed'],
    ),
    [wait('queue', 0, 3), wait('backoff', 5, 7, 'lost'), wait('backoff', 9, 60, 'gate_failed')],
  ],
  [
    'blocked, and then in the queue',
    changes(...started, [5, 'block', 'blocked', 'quota_exhausted'], [20, 'unblock', 'created'], [21, 'assign', 'assigned']),
    [wait('queue', 0, 3), wait('blocked', 5, 20, 'quota_exhausted'), wait('backoff', 20, 21)],
  ],
  [
    'given back before it began: still the queue where it was never dispatched, else a wait of its own',
    changes([1, 'block', 'blocked', 'unauthenticated'], [2, 'unblock', 'created'], [3, 'assign', 'assigned'], [4, 'release', 'created']),
    [wait('queue', 0, 1), wait('blocked', 1, 2, 'unauthenticated'), wait('queue', 2, 3), wait('backoff', 4, 60)],
  ],
  ['what took no time is no wait', changes([0, 'assign', 'assigned'], [2, 'retry', 'created'], [2, 'assign', 'assigned']), []],
])('%s', (_, events, expected) => {
  expect(waitsOf({ createdAt: noon, since: noon + 60_000 }, events)).toEqual(expected);
});

test('a clock that was set back makes no wait that ends before it begins', () => {
  expect(waitsOf({ createdAt: noon, since: noon }, changes([-5, 'assign', 'assigned'], [-4, 'retry', 'created']))).toEqual([
    { kind: 'backoff', from: noon - 4_000, to: noon },
  ]);
});
