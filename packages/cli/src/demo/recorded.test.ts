import type { TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { coverage } from './recorded.ts';

const piece = (fromOffset: number, toOffset: number, source = 'stdout', attempt = 2): TaskEvent => ({
  taskId: 't',
  sequence: 1,
  at: new Date(0),
  attempt,
  kind: 'output_recorded',
  outputRecorded: { source, fromOffset, toOffset },
});

test.each([
  ['pieces that follow one another', [piece(0, 10), piece(10, 25)], { lost: 0, excess: 0 }],
  [
    'pieces of another log or attempt do not count',
    [piece(0, 25), piece(0, 9, 'stderr'), piece(0, 9, 'stdout', 1)],
    { lost: 0, excess: 0 },
  ],
  ['nothing recorded', [], { lost: 25, excess: 0 }],
  ['a gap', [piece(0, 10), piece(12, 25)], { lost: 2, excess: 0 }],
  ['a missing beginning', [piece(3, 25)], { lost: 3, excess: 0 }],
  ['a missing end', [piece(0, 24)], { lost: 1, excess: 0 }],
  ['bytes recorded twice', [piece(0, 10), piece(7, 25)], { lost: 0, excess: 3 }],
  ['a whole piece recorded twice', [piece(0, 25), piece(5, 10)], { lost: 0, excess: 5 }],
  ['more than was written', [piece(0, 30)], { lost: 0, excess: 5 }],
])('%s', (_, events, expected) => {
  expect(coverage(events, 2, 'stdout', 25)).toEqual(expected);
});
