import type { TaskState } from './task.ts';

export interface Transition {
  readonly from: readonly TaskState[];
  readonly to: TaskState;
}

export type Edge =
  | 'assign'
  | 'start'
  | 'release'
  | 'submit'
  | 'retry'
  | 'accept'
  | 'rework'
  | 'block'
  | 'unblock'
  | 'unblock_review'
  | 'fail'
  | 'cancel';

const unfinished: readonly TaskState[] = ['created', 'assigned', 'in_progress', 'in_review', 'blocked'];

/** The edges of the life cycle. What is not listed is refused, whoever asks. */
export const transitions: Readonly<Record<Edge, Transition>> = {
  assign: { from: ['created'], to: 'assigned' },
  start: { from: ['assigned'], to: 'in_progress' },
  release: { from: ['assigned'], to: 'created' },
  submit: { from: ['in_progress'], to: 'in_review' },
  retry: { from: ['in_progress'], to: 'created' },
  accept: { from: ['in_review'], to: 'completed' },
  rework: { from: ['in_review'], to: 'created' },
  block: { from: ['created', 'assigned', 'in_progress', 'in_review'], to: 'blocked' },
  unblock: { from: ['blocked'], to: 'created' },
  unblock_review: { from: ['blocked'], to: 'in_review' },
  fail: { from: unfinished, to: 'failed' },
  cancel: { from: unfinished, to: 'cancelled' },
};

export function mayTake(edge: Edge, from: TaskState): boolean {
  return transitions[edge].from.includes(from);
}
