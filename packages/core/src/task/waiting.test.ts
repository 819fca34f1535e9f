import { describe, expect, test } from 'vitest';
import { after, claim, created } from './samples.testsuite.ts';
import { situations } from './situations.testsuite.ts';
import { waitingFor, type QueueView } from './waiting.ts';

const free: QueueView = {
  killSwitches: [],
  draining: false,
  running: 0,
  limit: 4,
  runningByHarness: new Map(),
  limitByHarness: new Map(),
  ahead: 2,
};
const thrown = { killSwitches: [{ scope: 'harness=claude_code', by: 'me', why: 'the bill', at: 1 }] };
const elsewhere = { killSwitches: [{ scope: 'harness=codex', by: 'me', at: 1 }] };
const full = { running: 4 };
const harnessFull = { runningByHarness: new Map([['claude_code', 1]]), limitByHarness: new Map([['claude_code', 1]]) };
const held = { workspaceHolder: 'another' };
const task = created();
const due = { ...task, since: 0, notBefore: 100 };

describe('what a task in CREATED waits for, the first that holds', () => {
  test.each([
    ['nothing', task, {}, undefined],
    [
      'a kill switch',
      due,
      { ...thrown, draining: true, ...full, ...harnessFull, ...held },
      { kind: 'kill_switch', scope: 'harness=claude_code', by: 'me', why: 'the bill' },
    ],
    [
      'a kill switch without a word of why',
      task,
      { killSwitches: [{ scope: 'all', by: 'me', at: 1 }] },
      { kind: 'kill_switch', scope: 'all', by: 'me' },
    ],
    ['no kill switch of another scope', task, elsewhere, undefined],
    ['drain', due, { draining: true, ...full, ...harnessFull, ...held }, { kind: 'drain' }],
    ['its time', due, { ...full, ...harnessFull, ...held }, { kind: 'time', until: 100 }],
    ['no time that has come', { ...task, since: 0, notBefore: 50 }, {}, undefined],
    ['no time that a clock tells that was set back', { ...due, since: 51 }, {}, undefined],
    ['its workspace', task, { ...full, ...harnessFull, ...held }, { kind: 'workspace', heldBy: 'another' }],
    ['no workspace of its own', task, { workspaceHolder: task.id }, undefined],
    ['its harness', task, { ...full, ...harnessFull }, { kind: 'slot', ahead: 2, limit: 1, scope: 'harness' }],
    ['no other harness', created({ harness: 'codex' }), harnessFull, undefined],
    ['no harness that has room', task, { ...harnessFull, limitByHarness: new Map([['claude_code', 2]]) }, undefined],
    [
      'a harness that may not run at all',
      task,
      { limitByHarness: new Map([['claude_code', 0]]) },
      { kind: 'slot', ahead: 2, limit: 0, scope: 'harness' },
    ],
    ['a slot', task, full, { kind: 'slot', ahead: 2, limit: 4, scope: 'total' }],
  ] as const)('%s', (_, waiting, view, expected) => {
    expect(waitingFor(waiting, { ...free, ...view }, 50)).toEqual(expected);
  });

  test.each(Object.entries(situations).filter(([, each]) => each.state !== 'created'))('nothing when it is %s', (_, each) => {
    expect(waitingFor(each, { ...free, ...full, draining: true }, 0)).toBeUndefined();
  });

  test('nothing once it is claimed', () => expect(waitingFor(after(task, claim), { ...free, draining: true }, 0)).toBeUndefined());
});
