import type { HarnessEventBody } from '@singletree/harness';
import { expect, test } from 'vitest';
import { GoingOn } from './going-on.ts';

const call = (callId: string, more: object = {}): HarnessEventBody => ({ kind: 'model.call', callId, thread: 'main', usage: {}, ...more });
const tool = (toolId: string, thread: 'main' | { subagent: string } = 'main'): HarnessEventBody => ({
  kind: 'tool.started',
  thread,
  toolId,
  tool: 't',
});
const result = (toolId: string): HarnessEventBody => ({ kind: 'tool.finished', thread: 'main', toolId, failed: false });
const ended: HarnessEventBody = { kind: 'ended', evidence: { result: 'completed' } };
const subagent: HarnessEventBody = { kind: 'subagent.started', subagent: 's' };

test.each<[string, boolean, HarnessEventBody[]]>([
  ['nothing was told', false, []],
  ['a call that may be the last', false, [call('1')]],
  ['a call that says so itself', true, [call('1', { goesOn: true })]],
  ['a call that says so later', true, [call('1'), call('1', { goesOn: true })]],
  ['a new call after one that said so', false, [call('1', { goesOn: true }), call('2')]],
  ['a tool of the last call', true, [call('1'), tool('a')]],
  ['its result, which somebody has to read', true, [call('1'), tool('a'), result('a')]],
  ['a call that has read it', false, [call('1'), tool('a'), result('a'), call('2')]],
  ['a tool that was told before its call', true, [tool('a'), call('1')]],
  ['and its result', true, [tool('a'), call('1'), result('a')]],
  ['a result of nobody knows what', false, [call('1'), result('a')]],
  ["a sub-agent's tool alone", false, [call('1'), tool('a', { subagent: 's' })]],
  ["a sub-agent's call that goes on", true, [call('1'), call('2', { thread: { subagent: 's' }, goesOn: true })]],
  [
    'its next one, which may be its last',
    false,
    [call('2', { thread: { subagent: 's' }, goesOn: true }), call('3', { thread: { subagent: 's' } })],
  ],
  ['a sub-agent at work', true, [call('1'), subagent]],
  ['one that works on after the last word', true, [call('1'), subagent, ended]],
  ['a sub-agent that is through', false, [call('1'), subagent, { kind: 'subagent.ended', subagent: 's' }]],
  ['the last word', false, [call('1'), tool('a'), ended]],
])('%s: %s', (_, expected, events) => {
  const going = new GoingOn();
  for (const event of events) going.add(event);
  expect(going.isSure).toBe(expected);
});
