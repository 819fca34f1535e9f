import type { HarnessEventBody, Thread } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import type { WatchdogThresholds } from './thresholds.ts';
import { Watchdogs } from './watchdogs.ts';

const thresholds: WatchdogThresholds = {
  sameCall: { warn: 2, stop: 4 },
  sameFailure: { warn: 2, stop: 3 },
  emptyTurns: { warn: 2, stop: 3 },
  unchangedTurns: {},
  endGraceMs: 1,
};

let ids = 0;
interface Call {
  readonly thread?: Thread;
  readonly tool?: string;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  readonly failed?: boolean;
}

function call(given: Call = {}): HarnessEventBody[] {
  const { thread = 'main', tool = 'Bash', input = 'i', output = 'o', failed = false } = given;
  const toolId = `tool-${++ids}`;
  const inputDigest = 'input' in given && given.input === undefined ? {} : { inputDigest: input };
  const outputDigest = 'output' in given && given.output === undefined ? {} : { outputDigest: output };
  return [
    { kind: 'tool.started', thread, toolId, tool, summary: `${input} it`, ...inputDigest },
    { kind: 'tool.finished', thread, toolId, tool, failed, ...outputDigest },
  ];
}

const turn = (thread: Thread = 'main'): HarnessEventBody => ({ kind: 'model.call', callId: `call-${++ids}`, thread, usage: {} });
const text: HarnessEventBody = { kind: 'text', thread: 'main', text: 'half an answer' };
const ended: HarnessEventBody = { kind: 'ended', evidence: { result: 'completed' } };
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

function watch(...events: (HarnessEventBody | HarnessEventBody[])[]): Watchdogs {
  const watchdogs = new Watchdogs(thresholds);
  for (const event of events.flat()) watchdogs.add(event);
  return watchdogs;
}

const found = (...events: (HarnessEventBody | HarnessEventBody[])[]): string[] => watch(...events).found.map(({ about }) => about);

describe('the same call', () => {
  test('with the same result warns, then stops, and says what and how often', () => {
    expect(found(call())).toEqual([]);
    expect(watch(call(), call()).found).toEqual([
      { about: 'same_call', message: 'the same call gave the same result 2 times in a row: Bash i it' },
    ]);
    const stopped = watch(...times(6, call));
    expect(stopped.found).toEqual([
      { about: 'same_call', message: 'the same call gave the same result 2 times in a row: Bash i it' },
      { about: 'same_call, stop', message: 'the same call gave the same result 4 times in a row: Bash i it', stop: 'no_progress' },
    ]);
    expect(stopped.concern).toBe('the same call gave the same result 4 times in a row: Bash i it');
  });

  test.each<[string, HarnessEventBody[]]>([
    ['another call came in between', [...call(), ...call({ input: 'other' }), ...call()]],
    ['a failure came in between', [...call(), ...call({ failed: true }), ...call()]],
    ['the result was another', [...call(), ...call({ output: 'p' }), ...call({ output: 'q' })]],
    ['another tool was given the same', [...call(), ...call({ tool: 'Read' })]],
    ['nobody knows all that it was given', times(4, () => call({ input: undefined })).flat()],
    ['nobody knows what came of it', times(4, () => call({ output: undefined })).flat()],
    ['it has no result yet', times(4, () => call()[0]!)],
    ['its start was not seen', times(4, () => call()[1]!)],
    ['two sub-agents did it', [...call(), ...call({ thread: { subagent: 'a' } })]],
  ])('is not the same where %s', (_, events) => expect(found(events)).toEqual([]));

  test('counts for each thread by itself, until its sub-agent has ended', () => {
    const a = { thread: { subagent: 'a' } };
    expect(found(call(a), call(), call(a))).toEqual(['same_call']);
    expect(found(call(a), { kind: 'subagent.ended', subagent: 'a' }, call(a))).toEqual([]);
  });

  test('is no concern any more once something else was done', () => {
    const over = watch(call(), call(), call({ input: 'other' }));
    expect(over.found).toHaveLength(1);
    expect(over.concern).toBeUndefined();
  });
});

describe('the same failing call', () => {
  test('warns and stops, whatever it said as it failed', () => {
    const failing = ['x', 'y', 'z'].map((output) => call({ failed: true, output }));
    expect(watch(...failing).found).toEqual([
      { about: 'same_failure', message: 'the same call failed 2 times in a row: Bash i it' },
      { about: 'same_failure, stop', message: 'the same call failed 3 times in a row: Bash i it', stop: 'no_progress' },
    ]);
  });

  test('is over when it succeeds', () => {
    expect(found(call({ failed: true }), call(), call({ failed: true }), call({ failed: true, input: 'j' }))).toEqual([]);
  });
});

describe('turns without a tool', () => {
  test.each<[string, (last?: boolean) => HarnessEventBody[]]>([
    ['before', () => [text, turn()]],
    ['after', () => [turn(), text]],
    ['nowhere', () => [turn()]],
  ])('warn and stop where a call is told %s its words', (_, step) => {
    expect(found(call(), turn(), step())).toEqual([]);
    expect(found(call(), turn(), ...times(2, step))).toEqual(['empty_turns']);
    expect(watch(call(), turn(), ...times(3, step)).found.at(-1)).toEqual({
      about: 'empty_turns, stop',
      message: '3 model calls in a row called no tool, and none was the last',
      stop: 'no_progress',
    });
  });

  test.each<[string, HarnessEventBody[]]>([
    ['a tool was called in between', [turn(), turn(), ...call(), turn(), turn()]],
    ['each was the last, and something woke the agent', times(5, () => [turn(), text, ended]).flat()],
    ['the same call was told again', times(5, () => ({ kind: 'model.call', callId: 'one', thread: 'main', usage: {} }) as const)],
    ['sub-agents made them', times(5, () => turn({ subagent: 'a' }))],
  ])('are none where %s', (_, events) => expect(found(events)).toEqual([]));
});

describe('turns', () => {
  test('are the calls of the main thread, each once', () => {
    const { turns } = watch(turn(), turn({ subagent: 'a' }), turn(), {
      kind: 'model.call',
      callId: `call-${ids}`,
      thread: 'main',
      usage: {},
    });
    expect(turns.count).toBe(2);
  });

  test('go on once every tool of the last one has its result, unless that was the end', () => {
    const [first, second] = [call(), call()];
    expect(watch(turn(), text).turns.goesOn).toBe(false);
    expect(watch(turn(), first[0]!, second[0]!, first[1]!).turns.goesOn).toBe(false);
    expect(watch(turn(), first[0]!, second[0]!, first[1]!, second[1]!).turns.goesOn).toBe(true);
    expect(watch(turn(), first, ended).turns.goesOn).toBe(false);
    expect(watch(turn(), first, turn()).turns.goesOn).toBe(false);
    expect(watch(turn(), call({ thread: { subagent: 'a' } })).turns.goesOn).toBe(false);
  });

  test('are counted since a file was changed', () => {
    const changed: HarnessEventBody = { kind: 'file.changed', path: 'a', change: 'added' };
    expect(watch(turn(), changed, turn(), turn()).turns.sinceChange).toBe(2);
  });
});

describe('the last word', () => {
  test.each<[string, boolean, HarnessEventBody[]]>([
    ['is final', true, [turn(), text, ended]],
    ['is final, whatever it says', true, [{ kind: 'ended', evidence: { result: 'failed' } }]],
    ['stays so through what a sub-agent says', true, [ended, turn({ subagent: 'a' })]],
    ['is taken back by work of the main thread', false, [ended, text]],
    ['is not final while something may wake the agent', false, [{ kind: 'ended', evidence: { result: 'completed' }, pending: 1 }]],
    ['is final when it is said again', true, [{ kind: 'ended', evidence: { result: 'completed' }, pending: 1 }, text, ended]],
  ])('%s: %s', (_, isFinal, events) => expect(watch(events).lastWord.isFinal).toBe(isFinal));
});

test('a watchdog without thresholds says nothing', () => {
  const silent = new Watchdogs({ sameCall: {}, sameFailure: {}, emptyTurns: {}, unchangedTurns: {}, endGraceMs: 1 });
  for (const event of [...times(50, call), ...times(50, () => call({ failed: true })), ...times(50, turn)].flat()) silent.add(event);
  expect(silent.found).toEqual([]);
  expect(silent.concern).toBeUndefined();
});
