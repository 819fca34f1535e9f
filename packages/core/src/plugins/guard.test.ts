import { RefusedAttempt, type AttemptContext, type Decoder, type Harness, type HarnessEvent } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { guardHarness, PluginFailure } from './guard.ts';
import { probeWith } from './probe.ts';

const boom = (): never => {
  throw new Error('boom');
};

/** A guarded harness of which everything is as it should be, except for what is said. */
function guarded(wrong: Record<string, unknown>): Harness {
  return guardHarness({ harnessId: 'evil', ...wrong } as unknown as Harness);
}
const decoding = (give: () => unknown): Decoder => guarded({ decoder: () => ({ push: give, end: give }) }).decoder('stdout', undefined);
const failure = (method: string, message: string) => new PluginFailure(`the plugin of harness "evil" failed in ${method}: ${message}`);

/** Every field of an event's kind, optional ones too. */
type Whole<T> = T extends readonly (infer U)[] ? Whole<U>[] : T extends object ? { [K in keyof T]-?: Whole<NonNullable<T[K]>> } : T;
type Kinds = { [K in HarnessEvent['kind']]: Whole<Extract<HarnessEvent, { kind: K }>> };

const place = { source: 'stdout', endsAt: 1 } as const;
const thread = { subagent: 'a' };
const truncated = { offset: 0, length: 1 };
const usage = {
  uncachedInputTokens: 1,
  cacheReadInputTokens: 2,
  cacheWriteInputTokens: 3,
  cacheWrite1hInputTokens: 3,
  outputTokens: 5,
  reasoningOutputTokens: 6,
};
const whole: Kinds = {
  'session.started': { kind: 'session.started', sessionId: 's', model: 'm', harnessVersion: '1', ...place },
  'model.call': {
    kind: 'model.call',
    callId: 'c',
    thread,
    model: 'm',
    usage,
    provisional: true,
    goesOn: true,
    costUsdMicros: 1,
    compaction: true,
    ...place,
  },
  'usage.total': { kind: 'usage.total', byModel: [{ model: 'm', usage, costUsdMicros: 1 }], contextWindowTokens: 1, ...place },
  'usage.incomplete': { kind: 'usage.incomplete', reason: 'r', ...place },
  text: { kind: 'text', thread, text: 't', truncated, ...place },
  'tool.started': { kind: 'tool.started', thread, toolId: 'i', tool: 't', summary: 's', inputDigest: 'd', ...place },
  'tool.finished': { kind: 'tool.finished', thread, toolId: 'i', tool: 't', failed: true, summary: 's', outputDigest: 'd', ...place },
  'file.changed': { kind: 'file.changed', path: 'p', change: 'added', ...place },
  compaction: { kind: 'compaction', trigger: 'auto', tokensBefore: 2, tokensAfter: 1, ...place },
  'model.retried': { kind: 'model.retried', reason: 'r', status: 529, delayMs: 0.5, ...place },
  'rate.limited': { kind: 'rate.limited', resetsAtMs: 1.5, message: 'm', ...place },
  'permission.denied': { kind: 'permission.denied', tool: 't', message: 'm', ...place },
  'subagent.started': { kind: 'subagent.started', subagent: 'a', name: 'n', ...place },
  'subagent.ended': { kind: 'subagent.ended', subagent: 'a', ...place },
  warning: { kind: 'warning', message: 'm', ...place },
  raw: { kind: 'raw', line: 'l', truncated, ...place },
  ended: { kind: 'ended', evidence: { result: 'failed', reason: 'turn_limit', message: 'm' }, pending: 1, ...place },
};

describe('a decoder', () => {
  test('gives its events with all their fields', () => {
    expect(decoding(() => Object.values(whole)).push(Buffer.from('x'))).toStrictEqual(Object.values(whole));
  });

  test.each<[string, () => unknown, RegExp]>([
    ['throws', boom, /: boom$/],
    ['gives nothing', () => undefined, /its answer: .*array/],
    ['gives a promise', async () => [], /its answer: .*array/],
    ['gives a bigint', () => [{ ...whole.raw, line: 1n }], /its answer\.0\.line: /],
    ['gives a kind that nobody knows', () => [{ ...place, kind: 'mystery' }], /its answer\.0\.kind: /],
    ['counts a half', () => [{ ...whole['model.call'], usage: { outputTokens: 1.5 } }], /its answer\.0\.usage\.outputTokens: /],
    ['counts less than nothing', () => [{ ...whole['model.call'], usage: { outputTokens: -1 } }], /outputTokens: /],
    ['counts beyond 2^53', () => [{ ...whole['model.call'], usage: { outputTokens: 2 ** 53 } }], /outputTokens: /],
    ['counts NaN', () => [{ ...whole['model.call'], costUsdMicros: Number.NaN }], /costUsdMicros: /],
    ['waits for ever', () => [{ ...whole['model.retried'], delayMs: Number.POSITIVE_INFINITY }], /delayMs: /],
    ['reads on beyond its input', () => [{ ...whole.warning, endsAt: 2 }], /a warning event ends at stdout:2 of stdout:1$/],
    ['speaks for another source', () => [{ ...whole.warning, source: 'stderr' }], /a warning event ends at stderr:1 of stdout:1$/],
  ])('that %s fails by name', (_, give, message) => {
    const decoder = decoding(give);
    expect(() => decoder.push(Buffer.from('x'))).toThrow(PluginFailure);
    expect(() => decoder.push(Buffer.alloc(0))).toThrow(message);
    expect(() => decoder.end()).toThrow(/^the plugin of harness "evil" failed in decoder\.end: /);
  });

  test('that cannot be made fails when it is first used', () => {
    const decoder = guarded({ decoder: boom }).decoder('stdout', undefined);
    expect(() => decoder.push(Buffer.from('x'))).toThrow(failure('decoder.push', 'boom'));
  });

  test('leaves out what is no part of an event', () => {
    expect(decoding(() => [{ ...whole.warning, extra: 1n }]).push(Buffer.from('x'))).toStrictEqual([whole.warning]);
  });
});

describe('a plugin', () => {
  const attempt = {} as AttemptContext;
  const settings = { executable: '/x', hasApiKey: false, args: [], options: {} };
  const command = { file: '/x', args: ['a'], env: { A: '1' }, apiKeyVariable: 'KEY', stdin: 'p\0' };

  test('states its command line, or why there is none', () => {
    expect(guarded({ command: () => command }).command(attempt, settings)).toStrictEqual(command);
    const refused = (): never => {
      throw new RefusedAttempt('not this one');
    };
    expect(() => guarded({ command: refused }).command(attempt, settings)).toThrow(new RefusedAttempt('not this one'));
  });

  test.each<[string, unknown]>([
    ['no file', { ...command, file: '' }],
    ['a NUL in an argument', { ...command, args: ['a\0'] }],
    ['a number as an argument', { ...command, args: [1] }],
    ['a NUL in a variable', { ...command, env: { A: '\0' } }],
    ['a variable without a name', { ...command, env: { 'A=B': '1' } }],
    ['nothing', undefined],
  ])('with %s in its command fails by name', (_, answer) => {
    expect(() => guarded({ command: () => answer }).command(attempt, settings)).toThrow(
      /^the plugin of harness "evil" failed in command: its/,
    );
  });

  const reconciled = {
    usage: [{ model: 'm', usage, costUsdMicros: 1 }],
    subagentUsage: usage,
    turns: 2,
    provenance: 'recovered',
    lowerBound: true,
  };
  const baseline = { version: 1, data: { total: { input: 1 }, bytes: [1] } };
  const evidence = { result: 'failed', reason: 'quota_exhausted', message: 'm' };
  test.each<[keyof Harness, unknown, unknown]>([
    ['reconcile', reconciled, { ...reconciled, turns: 0.5 }],
    ['baseline', baseline, { ...baseline, data: { total: 1n } }],
    ['exitEvidence', evidence, { ...evidence, reason: 'bad weather' }],
    ['sessionFiles', ['.agent/*/s.jsonl'], ['../s']],
    ['sessionFiles', [], ['/etc/*']],
    ['sessionFiles', [], ['.agent/**/s']],
    ['sessionFiles', [], undefined],
  ])('may answer to %s, and nothing else', (method, right, wrong) => {
    const ask = (answer: () => unknown): unknown => (guarded({ [method]: answer })[method] as () => unknown)();
    expect(ask(() => right)).toStrictEqual(right);
    expect(() => ask(() => wrong)).toThrow(PluginFailure);
    expect(() => ask(boom)).toThrow(failure(method, 'boom'));
  });

  test('without an optional method has none', () => {
    expect(Object.keys(guarded({ provider: 'p' }))).not.toContain('reconcile');
    expect(guarded({ provider: 'p' }).provider).toBe('p');
  });

  test.each<[string, () => unknown, string]>([
    ['throws', boom, 'boom'],
    ['answers nonsense', () => ({ status: 'fine' }), 'its answer.status: '],
  ])('that %s when it is probed is missing, and asked again the next time', async (_, answer, message) => {
    let asked = 0;
    const evil = guarded({ probe: () => ((asked += 1), answer()) });
    const probe = probeWith(evil, settings, {}, () => 0);
    expect(await probe(60_000)).toMatchObject({
      status: 'missing',
      message: expect.stringContaining(`the plugin of harness "evil" failed in probe: ${message}`) as string,
    });
    await probe(60_000);
    expect(asked).toBe(2);
  });

  test('is not blamed for a fault of the machine', async () => {
    const evil = guarded({
      probe: async (host: { version: (args: string[], pattern: RegExp) => Promise<unknown> }) => await host.version([], /x/),
    });
    // An argument list that no machine takes: E2BIG.
    const probe = probeWith(evil, { ...settings, executable: '/bin/true' }, { A: 'x'.repeat(4_000_000) }, () => 0);
    await expect(probe(0)).rejects.toMatchObject({ code: 'E2BIG' });
  });
});
