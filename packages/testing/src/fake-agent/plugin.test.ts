import { createUsageFold, digest } from '@singletree/harness';
import type { AttemptContext, HarnessEvent, HarnessSettings } from '@singletree/harness';
import { expect, test } from 'vitest';
import fake, { cumulativeFake, fakeAgentPath } from './plugin.ts';
import type { FakeHarnessOptions } from './plugin.ts';

const settings: HarnessSettings<FakeHarnessOptions> = {
  executable: '/opt/node',
  hasApiKey: false,
  args: [],
  options: { script: '/s.json' },
};
const attempt: AttemptContext = { prompt: '-p', workspace: '/w', session: { kind: 'new', id: 's1' }, permissions: 'edits', root: false };

const encoder = new TextEncoder();
const bytesOf = (...lines: readonly object[]): Uint8Array => encoder.encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
const callLine = (id: string, input: number, more: object = {}): object => ({
  type: 'call',
  id,
  model: 'fake-1',
  usage: { input, output: 1 },
  ...more,
});
const file = (bytes: Uint8Array): { path: string; bytes: Uint8Array } => ({ path: '.fake-agent/s1.jsonl', bytes });

function decode(harness: typeof fake, bytes: Uint8Array, baseline = harness.baseline?.('s1', [])): readonly HarnessEvent[] {
  const decoder = harness.decoder('stdout', baseline);
  return [...decoder.push(bytes), ...decoder.end()];
}

test('builds the command line: prompt by standard input, session new or resumed', () => {
  expect(fake.command(attempt, settings)).toMatchObject({
    file: '/opt/node',
    args: [fakeAgentPath, '--script', '/s.json', '--session', 's1', '--permissions', 'edits'],
    stdin: '-p',
    apiKeyVariable: 'FAKE_AGENT_API_KEY',
  });
  const resumed = { ...attempt, session: { kind: 'resume' as const, id: 's1' }, model: 'm2' };
  const command = cumulativeFake.command(resumed, {
    ...settings,
    model: 'm1',
    args: ['--more'],
    options: { script: '/s.json', node: '/other/node' },
  });
  expect(command.file).toBe('/other/node');
  expect(command.args.slice(3)).toEqual(['--resume', 's1', '--permissions', 'edits', '--model', 'm2', '--cumulative', '--more']);
  expect(() => fake.command(attempt, { ...settings, args: ['--resume=x'] })).toThrow('args: --resume=x is set by Singletree itself');
});

test('options: an absolute script, nothing unknown', () => {
  expect(fake.options.safeParse({ script: '/s.json' }).success).toBe(true);
  expect(fake.options.safeParse({ script: 's.json' }).error?.message).toContain('must be an absolute path');
  expect(fake.options.safeParse({ script: '/s.json', scripts: '' }).success).toBe(false);
});

test('decodes every line that the agent can print', () => {
  const lines = [
    { type: 'session', session: 's1', model: 'fake-1', version: '1.0.0' },
    callLine('call-1', 5, { costUsd: 0.000_12, thread: 'sub' }),
    { type: 'text', text: 'hello' },
    { type: 'call', id: 'call-2', model: 'fake-1' },
    { type: 'tool_started', id: 't1', tool: 'Bash', summary: 'ls', input: 'i' },
    { type: 'tool_finished', id: 't1', tool: 'Bash', failed: true, output: 'exit 1' },
    { type: 'tool_started', id: 't2', tool: 'Read', summary: '', thread: 'sub' },
    { type: 'file', path: 'a', change: 'added' },
    { type: 'retry', reason: 'overloaded', status: 529, delayMs: 10 },
    { type: 'rate_limit', resetsAtMs: 99 },
    { type: 'permission_denied', tool: 'Bash', message: 'no' },
    { type: 'compaction', before: 9, after: 1 },
    { type: 'subagent_started', id: 'sub', name: 'helper' },
    { type: 'subagent_ended', id: 'sub' },
    { type: 'result', isError: true, reason: 'rate_limited', message: 'later', pending: 1 },
    { type: 'news' },
  ];
  const events = decode(fake, bytesOf(...lines));
  expect(events.map(({ source: _source, endsAt: _endsAt, ...body }) => body)).toEqual([
    { kind: 'session.started', sessionId: 's1', model: 'fake-1', harnessVersion: '1.0.0' },
    {
      kind: 'model.call',
      callId: 'call-1',
      thread: { subagent: 'sub' },
      model: 'fake-1',
      costUsdMicros: 120,
      usage: { uncachedInputTokens: 5, cacheReadInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 1, reasoningOutputTokens: 0 },
    },
    { kind: 'text', thread: 'main', text: 'hello' },
    { kind: 'model.call', callId: 'call-2', thread: 'main', model: 'fake-1', usage: {}, provisional: true },
    { kind: 'tool.started', thread: 'main', toolId: 't1', tool: 'Bash', summary: 'ls', inputDigest: digest('i') },
    { kind: 'tool.finished', thread: 'main', toolId: 't1', tool: 'Bash', failed: true, summary: 'exit 1', outputDigest: digest('exit 1') },
    { kind: 'tool.started', thread: { subagent: 'sub' }, toolId: 't2', tool: 'Read', summary: '' },
    { kind: 'file.changed', path: 'a', change: 'added' },
    { kind: 'model.retried', reason: 'overloaded', status: 529, delayMs: 10 },
    { kind: 'rate.limited', resetsAtMs: 99 },
    { kind: 'permission.denied', tool: 'Bash', message: 'no' },
    { kind: 'compaction', tokensBefore: 9, tokensAfter: 1 },
    { kind: 'subagent.started', subagent: 'sub', name: 'helper' },
    { kind: 'subagent.ended', subagent: 'sub' },
    { kind: 'ended', evidence: { result: 'failed', reason: 'rate_limited', message: 'later' }, pending: 1 },
    { kind: 'raw', line: '{"type":"news"}' },
  ]);
});

test('running totals: the baseline is what earlier processes used, and only the difference counts', () => {
  const sessionFile = file(bytesOf({ type: 'prompt', text: 'a', pid: 1 }, callLine('call-1', 100), callLine('call-2', 50)));
  const baseline = cumulativeFake.baseline?.('s1', [sessionFile]);
  const total = (input: number, output: number): object => ({ usage: { input, output } });
  const events = decode(cumulativeFake, bytesOf(callLine('call-3', 0, total(157, 3)), callLine('call-4', 0, total(160, 5))), baseline);
  expect(events).toMatchObject([
    { usage: { uncachedInputTokens: 7, outputTokens: 1 } },
    { usage: { uncachedInputTokens: 3, outputTokens: 2 } },
  ]);
  expect(cumulativeFake.baseline?.('s1', [])).toBeUndefined();
});

test('reconciles a killed attempt from the session file, from where it began, up to a line that was cut', () => {
  const before = bytesOf(callLine('call-1', 100));
  const baseline = fake.baseline?.('s1', [file(before)]);
  const whole = bytesOf(callLine('call-1', 100), callLine('call-2', 20), callLine('call-3', 3, { thread: 'sub', model: 'fake-2' }));
  const cut = encoder.encode('{"type":"call","id":"call-4","usa');
  const files = [file(new Uint8Array(Buffer.concat([whole, cut])))];
  const events = decode(fake, bytesOf(callLine('call-2', 20)));
  expect(fake.reconcile?.({ sessionId: 's1', files, baseline, events })).toMatchObject({
    usage: [
      { model: 'fake-1', usage: { uncachedInputTokens: 20 } },
      { model: 'fake-2', usage: { uncachedInputTokens: 3 } },
    ],
    turns: 1,
    provenance: 'recovered',
    lowerBound: false,
  });
});

test('does not reconcile what was told to the end', () => {
  const lines = [callLine('call-1', 100), { type: 'result', isError: false }];
  const events = decode(fake, bytesOf(...lines));
  expect(
    fake.reconcile?.({ sessionId: 's1', files: [file(bytesOf(callLine('call-1', 100)))], baseline: undefined, events }),
  ).toBeUndefined();
  const fold = createUsageFold(fake.capabilities);
  for (const event of events) fold.add(event);
  expect(fold.summary()).toMatchObject({
    total: { uncachedInputTokens: 100, outputTokens: 1 },
    turns: 1,
    provenance: 'reported',
    lowerBound: false,
  });
});

test.each([
  [{ code: 0, signal: null, stderrTail: '' }, undefined],
  [
    { code: 64, signal: null, stderrTail: 'fake-agent: no\n' },
    { result: 'failed', message: 'fake-agent: no' },
  ],
  [
    { code: 1, signal: null, stderrTail: '' },
    { result: 'failed', message: 'exit 1' },
  ],
  [
    { code: null, signal: 'SIGINT', stderrTail: '' },
    { result: 'interrupted', message: 'ended by SIGINT' },
  ],
  [
    { code: null, signal: 'SIGKILL', stderrTail: '' },
    { result: 'failed', message: 'ended by SIGKILL' },
  ],
])('exit %o means %o', (exit, evidence) => {
  expect(fake.exitEvidence?.(exit)).toEqual(evidence);
});

test('probes the agent itself', async () => {
  const host = { homeFileExists: async () => false, hasEnvironment: () => false };
  expect(await fake.probe({ ...host, version: async () => ({ found: '1.0.0' }) }, settings)).toEqual({ status: 'ready', version: '1.0.0' });
  expect(await fake.probe({ ...host, version: async () => ({ missing: 'ENOENT' }) }, settings)).toMatchObject({
    status: 'missing',
    message: 'ENOENT',
  });
});
