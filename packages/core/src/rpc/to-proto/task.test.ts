import { toJson } from '@bufbuild/protobuf';
import { ModelCallSchema, TaskSchema } from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { after, created, exited, owned, reconciled, running, start } from '../../task/samples.testsuite.ts';
import type { AttemptAccount, Task } from '../../task/task.ts';
import { modelCallToProto } from './model-call.ts';
import { taskToProto } from './task.ts';

const json = (task: Task) => toJson(TaskSchema, taskToProto({ task, traceId: 't' }));
const usage = { uncachedInputTokens: 10, outputTokens: 4, provenance: 'recovered', lowerBound: true } as const;
const account: AttemptAccount = {
  usage,
  usageByModel: [{ model: 'm', usage: { outputTokens: 4 }, costUsdMicros: 3 }, { usage: { uncachedInputTokens: 10 } }],
  subagentUsage: { outputTokens: 1 },
  turns: 2,
  costUsdMicros: 3,
  costSource: 'declared_free',
  costLowerBound: true,
  priceVersion: '2026-11',
  compactions: 0,
  context: { windowTokens: 200, finalTokens: 50, peakTokens: 300 },
};

describe('an attempt that is accounted for', () => {
  const task = after(created(), ...running, exited(), reconciled({}, account));
  const partial = { provenance: 'PROVENANCE_RECOVERED', lowerBound: true };

  test('says what it used, by model and by sub-agents, what that cost, and how full its context was', () => {
    expect(json(task)).toMatchObject({
      attempts: [
        {
          usage: { uncachedInputTokens: '10', outputTokens: '4', ...partial },
          usageByModel: [
            { model: 'm', usage: { outputTokens: '4', ...partial }, costUsdMicros: '3' },
            { usage: { uncachedInputTokens: '10', ...partial } },
          ],
          subagentUsage: { outputTokens: '1', ...partial },
          costUsdMicros: '3',
          costSource: 'COST_SOURCE_DECLARED_FREE',
          costLowerBound: true,
          priceVersion: '2026-11',
          contextCompactions: 0,
          contextWindowTokens: '200',
          contextUtilization: 0.25,
          contextUtilizationPeak: 1,
        },
      ],
    });
  });

  test('is in the sums of its task, which say that they are not all', () => {
    const sums = { turnsPerTask: 2, tokensPerTask: '14', costPerTaskUsdMicros: '3', costLowerBound: true, usage: partial };
    expect(json(task)).toMatchObject(sums);
    expect(json(task)).not.toHaveProperty('turnsLowerBound');
  });

  test('says nothing of what is unknown', () => {
    const [attempt] = taskToProto({ task: after(created(), ...running, exited(), reconciled()), traceId: 't' }).attempts;
    for (const field of ['usage', 'subagentUsage', 'costUsdMicros', 'contextCompactions', 'contextWindowTokens', 'contextUtilizationPeak'])
      expect(attempt).not.toHaveProperty(field);
    expect(attempt).toMatchObject({ usageByModel: [], costLowerBound: false });
  });
});

test('an attempt that runs is in the sums by what is shown of it', () => {
  const live = { turns: 3, tokens: 500, contextUtilization: 0.5 };
  const record = { kind: 'record', attempt: 1, source: 'stdout', from: 0, to: 9, events: [], live } as const;
  const task = after(created(), ...running, record);
  expect(json(task)).toMatchObject({
    turnsPerTask: 3,
    turnsLowerBound: true,
    tokensPerTask: '500',
    attempts: [{ contextUtilization: 0.5 }],
  });
  expect(after(created(), ...running.slice(0, -2), start(), owned())).toMatchObject({ state: 'in_progress' });
});

test('an entry of the ledger has its words on the wire, and only what is known', () => {
  const call = modelCallToProto({
    attempt: 2,
    callId: 'c',
    subagent: 's',
    compaction: true,
    model: 'm',
    at: 1_500,
    uncachedInputTokens: 0,
    cacheWrite1hInputTokens: 7,
    provenance: 'reported',
    provisional: true,
    costUsdMicros: 5,
    costSource: 'priced',
  });
  expect(toJson(ModelCallSchema, call)).toEqual({
    attempt: 2,
    callId: 'c',
    subagentId: 's',
    compaction: true,
    model: 'm',
    at: '1970-01-01T00:00:01.500Z',
    usage: { uncachedInputTokens: '0', cacheWrite1hInputTokens: '7', provenance: 'PROVENANCE_REPORTED', lowerBound: true },
    costUsdMicros: '5',
    costSource: 'COST_SOURCE_PRICED',
    provisional: true,
  });
  expect(toJson(ModelCallSchema, modelCallToProto({ attempt: 1, provenance: 'missing' }))).toEqual({
    attempt: 1,
    usage: { provenance: 'PROVENANCE_MISSING', lowerBound: true },
  });
});
