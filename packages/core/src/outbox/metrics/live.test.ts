import { expect, test } from 'vitest';
import { noon } from '../stand-ins.testsuite.ts';
import { livePoints } from './live.ts';

const known = { harnesses: ['codex', 'claude_code'], destinations: ['otlp', 'new'] };

function told(...parts: Parameters<typeof livePoints>): string[] {
  return livePoints(...parts).map(({ metric, labels, sum }) => [metric, ...Object.values(labels), sum].join(' '));
}

test('what nobody waits for is 0 and not absent', () => {
  const nothing = { active: [], queued: [], blocked: [], outbox: { undirected: 3, destinations: [] } };
  expect(told(nothing, noon, known)).toEqual([
    'singletree.task.active claude_code 0',
    'singletree.task.active codex 0',
    'singletree.task.queued claude_code 0',
    'singletree.task.queued codex 0',
    'singletree.task.blocked quota_exhausted 0',
    'singletree.task.blocked unauthenticated 0',
    ...['otlp', 'new'].flatMap((name) =>
      ['pending', 'oldest_age', 'delivered', 'dead', 'rejected'].map((what) => `singletree.outbox.${what} ${name} 0`),
    ),
  ]);
});

test('what is there is told, also of a harness that is configured no more; of destinations only while they are', () => {
  const ever = { delivered: 7, dead: 2, rejectedSpans: 5 };
  const live = {
    active: [{ harness: 'codex', tasks: 2 }],
    queued: [{ harness: 'gone', tasks: 1 }],
    blocked: [{ reason: 'dependency', tasks: 4 }],
    outbox: {
      undirected: 0,
      destinations: [
        { destination: 'gone', pending: 9, oldest: noon - 1, dead: 0, ever },
        { destination: 'otlp', pending: 3, oldest: noon - 1_500, dead: 1, ever },
      ],
    },
  };
  const points = told(live, noon, { ...known, destinations: ['otlp'] });
  expect(points.filter((point) => !point.endsWith(' 0'))).toEqual([
    'singletree.task.active codex 2',
    'singletree.task.queued gone 1',
    'singletree.task.blocked dependency 4',
    'singletree.outbox.pending otlp 3',
    'singletree.outbox.oldest_age otlp 1500',
    'singletree.outbox.delivered otlp 7',
    'singletree.outbox.dead otlp 2',
    'singletree.outbox.rejected otlp 5',
  ]);
});

test('a clock that was set back makes no record younger than new', () => {
  const standing = { destination: 'otlp', pending: 1, oldest: noon + 5, dead: 0, ever: { delivered: 0, dead: 0, rejectedSpans: 0 } };
  const points = told({ active: [], queued: [], blocked: [], outbox: { undirected: 0, destinations: [standing] } }, noon, known);
  expect(points).toContain('singletree.outbox.oldest_age otlp 0');
});
