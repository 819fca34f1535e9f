import { DaemonStopMode, FailureReason, GateKind, TaskEdge, TaskState, TaskType } from '@singletree/protocol';
import { expect, test } from 'vitest';
import { failureReasons } from '../task/reasons.ts';
import { transitions } from '../task/transitions.ts';
import { enumOf, wordOf } from './words.ts';

test.each([
  ['TaskState', TaskState],
  ['TaskType', TaskType],
  ['GateKind', GateKind],
  ['DaemonStopMode', DaemonStopMode],
  ['FailureReason', FailureReason],
])('every word of %s goes over the wire and back', (_, values: Readonly<Record<string, number>>) => {
  const words = Object.keys(values)
    .filter((name) => isNaN(Number(name)) && name !== 'UNSPECIFIED')
    .map((name) => name.toLowerCase() as Lowercase<string>);
  expect(words.length).toBeGreaterThan(2);
  expect(words.map((word) => wordOf(values, enumOf(values, word)))).toEqual(words);
});

test('what the wire leaves open, or a newer client says, is no word of ours', () => {
  expect(wordOf(TaskState, TaskState.UNSPECIFIED)).toBeUndefined();
  expect(wordOf(TaskState, 999)).toBeUndefined();
});

test('a word that the wire lacks is a bug that is named', () => {
  expect(() => enumOf(TaskState as Readonly<Record<string, number>>, 'asleep')).toThrow('bug: the wire has no value for "asleep"');
});

test('the wire knows each failure reason and each edge of the life cycle, and no other', () => {
  const names = (values: object) =>
    new Set(
      Object.keys(values)
        .filter((name) => isNaN(Number(name)) && name !== 'UNSPECIFIED')
        .map((name) => name.toLowerCase()),
    );
  expect(names(FailureReason)).toEqual(new Set<string>(failureReasons));
  expect(names(TaskEdge)).toEqual(new Set(Object.keys(transitions).filter((edge) => edge !== 'unblock_review')));
});
