import type { ModelCall } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { modelCallLines } from './model-calls.ts';
import { plain } from './terminal.testsuite.ts';

/** What a test does not say is absent. */
function aCall(fields: object): ModelCall {
  const made: unknown = {
    attempt: 1,
    compaction: false,
    provisional: false,
    usage: { provenance: 'reported', lowerBound: false },
    ...fields,
  };
  return made as ModelCall;
}

const all = { tokens: false, cost: false };

test('each entry has its figures and where they come from; what is unknown is a dash, and in no sum', () => {
  const usage = {
    uncachedInputTokens: 2_014,
    cacheReadInputTokens: 16_000,
    cacheWriteInputTokens: 0,
    outputTokens: 80,
    provenance: 'reported',
  };
  const calls = [
    aCall({ callId: 'a', at: new Date(2026, 10, 21, 9, 5, 7), model: 'sonnet', usage, costUsdMicros: 31_000, costSource: 'priced' }),
    aCall({ callId: 'b', subagentId: 'explorer', compaction: true, usage: { provenance: 'missing' }, provisional: true }),
    aCall({ attempt: 2, model: 'haiku', usage: { outputTokens: 20, provenance: 'recovered' }, costUsdMicros: 9, costSource: 'harness' }),
  ];
  expect(modelCallLines(calls, { tokens: true, cost: false }, plain)).toEqual([
    '  attempt  when      thread                           model     input    cached  written  output  reasoning      cost  source',
    '        1  09:05:07  main                             sonnet    2,014    16,000        0      80          –   $0.0310  reported · priced',
    '        1  –         sub-agent explorer · compaction  –             –         –        –       –          –         –  missing · not all yet',
    '        2  –         told in sum only                 haiku         –         –        –      20          –  <$0.0001  recovered',
    '      all                                                     ≥ 2,014  ≥ 16,000      ≥ 0   ≥ 100          –   $0.0310',
  ]);
});

test('no entry is said', () => expect(modelCallLines([], all, plain)).toEqual(['  no model call is known']));

test('what an agent could name is stripped', () => {
  const shown = modelCallLines([aCall({ callId: 'a', model: 'm\u001b[31m', subagentId: 's\nx' })], all, plain).join('\n');
  expect(shown).not.toContain('\u001b');
  expect(shown.split('\n')).toHaveLength(3);
});
