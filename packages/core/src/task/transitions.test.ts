import { describe, expect, test } from 'vitest';
import { apply } from './change.ts';
import { created } from './samples.testsuite.ts';
import type { TaskState } from './task.ts';
import { mayTake, transitions, type Edge } from './transitions.ts';

/** The life cycle, written out by hand: where each edge leads from each state, `-` where it is refused. */
const expected = `
                 created   assigned     in_progress  in_review  blocked    completed  failed  cancelled
  assign         assigned  -            -            -          -          -          -       -
  start          -         in_progress  -            -          -          -          -       -
  release        -         created      -            -          -          -          -       -
  submit         -         -            in_review    -          -          -          -       -
  retry          -         -            created      -          -          -          -       -
  accept         -         -            -            completed  -          -          -       -
  rework         -         -            -            created    -          -          -       -
  block          blocked   blocked      blocked      blocked    -          -          -       -
  unblock        -         -            -            -          created    -          -       -
  unblock_review -         -            -            -          in_review  -          -       -
  fail           failed    failed       failed       failed     failed     -          -       -
  cancel         cancelled cancelled    cancelled    cancelled  cancelled  -          -       -
`;

const [head, ...rows] = expected
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const cells = rows.flatMap(([edge, ...to]) =>
  to.map((result, column) => ({ edge: edge as Edge, from: head![column] as TaskState, result })),
);

describe('every edge from every state', () => {
  test('is in the table', () => {
    expect(new Set(rows.map(([edge]) => edge))).toEqual(new Set(Object.keys(transitions)));
    expect(cells).toHaveLength(12 * 8);
  });

  test.each(cells)('$edge of a $from task: $result', ({ edge, from, result }) => {
    expect(mayTake(edge, from) ? transitions[edge].to : '-').toBe(result);
  });

  test.each(cells.filter(({ result }) => result === '-'))('$edge of a $from task is a bug of the caller', ({ edge, from }) => {
    const task = { ...created(), state: from };
    expect(() => apply(task, task.updatedAt, { edge })).toThrow(`edge ${edge} does not leave ${from}`);
  });
});
