import { describe, expect, test } from 'vitest';
import type { Capabilities } from './contract.ts';
import type { HarnessEventBody, Thread, TokenUsage } from './events.ts';
import { createUsageFold, type AttemptUsage } from './usage.ts';

const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: true,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all'],
};

const call = (
  callId: string,
  usage: TokenUsage,
  more: { thread?: Thread; provisional?: boolean; costUsdMicros?: number } = {},
): HarnessEventBody => ({
  kind: 'model.call',
  callId,
  thread: 'main',
  model: 'm',
  usage,
  ...more,
});
const total = (usage: TokenUsage, costUsdMicros?: number): HarnessEventBody => ({
  kind: 'usage.total',
  byModel: [{ model: 'm', usage, ...(costUsdMicros === undefined ? {} : { costUsdMicros }) }],
  contextWindowTokens: 200,
});
const completed: HarnessEventBody = { kind: 'ended', evidence: { result: 'completed' } };
const subagent: Thread = { subagent: 's1' };

function fold(events: readonly HarnessEventBody[], declared: Capabilities = capabilities): AttemptUsage {
  const state = createUsageFold(declared);
  for (const event of events) state.add(event);
  return state.summary();
}

describe('tokens', () => {
  test('are never more than can be counted', () => {
    const most = Number.MAX_SAFE_INTEGER;
    const {
      total: sum,
      costUsdMicros,
      context,
    } = fold([
      call('1', { outputTokens: most, uncachedInputTokens: most }, { costUsdMicros: most }),
      call('2', { outputTokens: 1, uncachedInputTokens: 1, cacheReadInputTokens: most }, { costUsdMicros: most }),
    ]);
    expect(sum).toEqual({ outputTokens: most, uncachedInputTokens: most, cacheReadInputTokens: most });
    expect([costUsdMicros, context.peakTokens]).toEqual([most, most]);
  });

  test('that no call tells make the cost unknown, not 0', () => {
    expect(fold([call('1', {}), call('2', {}, { provisional: true })])).not.toHaveProperty('costUsdMicros');
  });

  test('are the sum of the calls where the CLI states no total', () => {
    const usage = fold([call('1', { uncachedInputTokens: 5, outputTokens: 1 }), call('2', { uncachedInputTokens: 7 }), completed]);
    expect(usage).toMatchObject({
      total: { uncachedInputTokens: 12, outputTokens: 1 },
      turns: 2,
      provenance: 'reported',
      lowerBound: false,
    });
    expect(usage.total).not.toHaveProperty('reasoningOutputTokens');
  });

  test('are what the totals say, not what the calls before them said', () => {
    const usage = fold([
      call('1', { uncachedInputTokens: 5 }, { provisional: true }),
      total({ uncachedInputTokens: 9, outputTokens: 4 }),
      completed,
    ]);
    expect(usage).toMatchObject({ total: { uncachedInputTokens: 9, outputTokens: 4 }, turns: 1, lowerBound: false });
  });

  test('of a call after the last total are added, as a lower bound while they are provisional', () => {
    const usage = fold([
      call('1', { uncachedInputTokens: 5 }),
      total({ uncachedInputTokens: 5 }),
      call('2', { uncachedInputTokens: 3 }, { provisional: true }),
    ]);
    expect(usage).toMatchObject({ total: { uncachedInputTokens: 8 }, turns: 2, lowerBound: true });
  });

  test('of a call that is told again replace what was told first', () => {
    const usage = fold([
      call('1', { uncachedInputTokens: 5 }, { provisional: true }),
      call('1', { uncachedInputTokens: 5, outputTokens: 6 }),
      completed,
    ]);
    expect(usage).toMatchObject({ total: { uncachedInputTokens: 5, outputTokens: 6 }, turns: 1, lowerBound: false });
  });

  test('are zero only where the CLI says that nothing was used', () => {
    expect(fold([{ kind: 'usage.total', byModel: [] }, completed])).toMatchObject({
      total: { uncachedInputTokens: 0, outputTokens: 0 },
      turns: 0,
      costUsdMicros: 0,
    });
    expect(fold([completed])).toMatchObject({ total: {}, provenance: 'missing', lowerBound: true });
    expect(fold([completed])).not.toHaveProperty('costUsdMicros');
  });

  test('of sub-agents are told apart only from final calls, and are no turns', () => {
    const final = fold([call('1', { outputTokens: 1 }), call('2', { outputTokens: 2 }, { thread: subagent }), completed]);
    expect(final).toMatchObject({ total: { outputTokens: 3 }, subagents: { outputTokens: 2 }, turns: 1 });
    expect(fold([call('2', {}, { thread: subagent, provisional: true }), completed])).not.toHaveProperty('subagents');
  });

  test('that the CLI does not count make every sum a lower bound', () => {
    const incomplete: HarnessEventBody = { kind: 'usage.incomplete', reason: 'a sub-agent' };
    expect(fold([total({ outputTokens: 1 }), incomplete, completed]).lowerBound).toBe(true);
    expect(fold([incomplete, total({ outputTokens: 1 }), completed]).lowerBound).toBe(false);
  });

  test('from the session files take the place of all others', () => {
    const state = createUsageFold(capabilities);
    for (const event of [call('1', { uncachedInputTokens: 5 }, { provisional: true }), completed]) state.add(event);
    const usage = state.summary({
      usage: [{ model: 'm', usage: { outputTokens: 3 } }],
      turns: 4,
      provenance: 'recovered',
      lowerBound: false,
    });
    expect(usage).toMatchObject({ total: { outputTokens: 3 }, turns: 4, provenance: 'recovered', lowerBound: false });
    expect(usage.total).not.toHaveProperty('uncachedInputTokens');
  });
});

test('calls of which no token is told are no usage: it is missing, whatever was used', () => {
  const usage = fold([call('1', {}, { provisional: true }), completed]);
  expect(usage).toMatchObject({ total: {}, provenance: 'missing', lowerBound: true, turns: 1 });
  const state = createUsageFold(capabilities);
  const untold = state.summary({ usage: [{ model: 'm', usage: {} }], provenance: 'recovered', lowerBound: true });
  expect(untold).toMatchObject({ total: {}, provenance: 'missing', lowerBound: true });
});

describe('cost', () => {
  test('is the sum of what the CLI states', () => {
    expect(fold([total({ outputTokens: 1 }, 10), total({ outputTokens: 1 }, 5), completed]).costUsdMicros).toBe(15);
  });

  test('is unknown if any tokens have none', () => {
    expect(fold([total({ outputTokens: 1 }, 10), total({ outputTokens: 1 }), completed])).not.toHaveProperty('costUsdMicros');
    expect(fold([total({ outputTokens: 1 }, 10), call('9', { outputTokens: 1 }, { provisional: true })])).not.toHaveProperty(
      'costUsdMicros',
    );
  });
});

describe('the rest', () => {
  test('context is the prompt side of the last and of the largest call of the main thread', () => {
    const usage = fold([
      call('1', { uncachedInputTokens: 1, cacheReadInputTokens: 90, cacheWriteInputTokens: 9, outputTokens: 50 }),
      call('2', { uncachedInputTokens: 20 }),
      call('3', { uncachedInputTokens: 500 }, { thread: subagent }),
      total({}),
    ]);
    expect(usage.context).toEqual({ windowTokens: 200, finalTokens: 20, peakTokens: 100 });
  });

  test('closing words are taken back by main-thread work after them', () => {
    expect(fold([completed]).evidence).toEqual({ result: 'completed' });
    expect(fold([completed, { kind: 'text', thread: 'main', text: 'one more thing' }])).not.toHaveProperty('evidence');
    expect(fold([completed, { kind: 'text', thread: subagent, text: 'late' }]).evidence).toEqual({ result: 'completed' });
    expect(fold([completed, call('2', {}), completed]).evidence).toEqual({ result: 'completed' });
  });

  test('what a plugin does not declare is absent, not 0', () => {
    const usage = fold([total({ outputTokens: 1 }), completed], {
      ...capabilities,
      usage: { scope: 'turn', counts: 'delta' },
      compaction: false,
    });
    expect(usage).not.toHaveProperty('turns');
    expect(usage).not.toHaveProperty('compactions');
  });

  test('counts tools by name, retries, denials and unknown events', () => {
    const tool = (toolId: string, name: string): HarnessEventBody => ({ kind: 'tool.started', thread: 'main', toolId, tool: name });
    const usage = fold([
      { kind: 'session.started', sessionId: 'id', model: 'm', harnessVersion: '1' },
      tool('a', 'Bash'),
      tool('b', 'Bash'),
      tool('c', '__proto__'),
      { kind: 'model.retried', reason: 'r' },
      { kind: 'permission.denied', tool: 'Bash' },
      { kind: 'raw', line: '?' },
      { kind: 'compaction' },
      { kind: 'text', thread: 'main', text: 'done' },
    ]);
    expect(usage).toMatchObject({
      sessionId: 'id',
      model: 'm',
      harnessVersion: '1',
      apiRetries: 1,
      permissionDenials: 1,
      unknownEvents: 1,
      compactions: 1,
      lastText: 'done',
    });
    expect(Object.entries(usage.tools)).toEqual([
      ['Bash', 2],
      ['__proto__', 1],
    ]);
  });
});

test('a file that is changed twice is one file', () => {
  const changed = (path: string): HarnessEventBody => ({ kind: 'file.changed', path, change: 'modified' });
  expect(fold([changed('/a'), changed('/b'), changed('/a')]).filesChanged).toBe(2);
  expect(fold([]).filesChanged).toBe(0);
});

test('what a CLI may keep back is told where it is told, and is never 0', () => {
  const declared = { ...capabilities, untold: ['turns', 'compactions', 'api_retries', 'permission_denials', 'files_changed'] as const };
  expect(fold([{ kind: 'model.retried', reason: 'r' }], declared)).toMatchObject({ apiRetries: 1 });
  for (const field of ['turns', 'compactions', 'apiRetries', 'permissionDenials', 'filesChanged'])
    expect(fold([], declared)).not.toHaveProperty(field);
});

describe('evidence', () => {
  const failed: HarnessEventBody = { kind: 'ended', evidence: { result: 'failed', message: 'no' } };
  const interrupted: HarnessEventBody = { kind: 'ended', evidence: { result: 'interrupted' } };
  const text: HarnessEventBody = { kind: 'text', thread: 'main', text: 'more' };

  test.each<[string, HarnessEventBody[], object]>([
    ['is the last one', [failed, completed], { result: 'completed' }],
    ['keeps that the work was done when an error follows', [completed, failed], { result: 'failed', message: 'no', afterCompleted: true }],
    ['keeps it through more than one', [completed, failed, interrupted], { result: 'interrupted', afterCompleted: true }],
    ['keeps nothing once the main thread has worked on', [completed, text, failed], { result: 'failed', message: 'no' }],
    ['that completes needs no word of it', [completed, failed, completed], { result: 'completed' }],
  ])('%s', (_, events, evidence) => expect(fold(events).evidence).toStrictEqual(evidence));
});
