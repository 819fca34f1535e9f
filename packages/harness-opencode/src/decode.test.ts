import type { HarnessEvent } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { createDecoder } from './decode.ts';

const text = (...lines: readonly (object | string)[]): string =>
  lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify({ sessionID: 'ses_1', ...line })}\n`).join('');
const decode = (...lines: readonly (object | string)[]): readonly HarnessEvent[] =>
  createDecoder('stdout').push(Buffer.from(text(...lines)));
const kinds = (events: readonly HarnessEvent[]): string[] => events.map(({ kind }) => kind);
const log = (message: string, fields = '', level = 'INFO', at = '19:00:00.000'): string =>
  `timestamp=2026-11-21T${at}Z level=${level} run=c5c8078f message=${message} ${fields}`;
const stream = (session: string, agent = 'build', more = 'small=false'): string =>
  log('stream', `providerID=mk modelID=m1 session.id=${session} ${more} agent=${agent} mode=primary`);
const stepStart = (messageID = 'msg_1'): object => ({ type: 'step_start', part: { id: 'prt_1', messageID, type: 'step-start' } });
const stepFinish = (
  reason: string,
  tokens: object = { total: 3, input: 1, output: 2, reasoning: 0, cache: { read: 0, write: 0 } },
  messageID = 'msg_1',
): object => ({
  type: 'step_finish',
  part: { id: 'prt_2', messageID, type: 'step-finish', reason, tokens, cost: 0 },
});
const said = (words: string, more: object = {}): object => ({ type: 'text', part: { text: words, ...more } });
const goOn = said('Continue if …', { synthetic: true, metadata: { compaction_continue: true } });
const overflow = { type: 'error', error: { name: 'ContextOverflowError', data: { message: 'too long' } } };

describe('the end', () => {
  test.each([
    ['ContextOverflowError', { pending: 1, evidence: { reason: 'context_exhausted' } }],
    ['ProviderAuthError', { evidence: { reason: 'unauthenticated' } }],
  ])('is an error (%s), unless a compaction may follow', (name, expected) => {
    const [ended] = decode({ type: 'error', error: { name, data: { message: 'no' } } }).filter(({ kind }) => kind === 'ended');
    expect(ended).toMatchObject(expected);
    expect(ended && 'pending' in ended).toBe('pending' in expected);
  });

  test.each([
    ['stop', { result: 'completed' }],
    ['other', { result: 'completed' }],
    ['length', { result: 'failed' }],
    ['content-filter', { result: 'failed' }],
    ['error', { result: 'failed' }],
    ['tool-calls', undefined],
    ['unknown', undefined],
  ])('is a step that finished with %s: %o', (reason, evidence) => {
    const ended = decode(stepStart(), stepFinish(reason)).find((event) => event.kind === 'ended');
    if (evidence) expect(ended).toMatchObject({ evidence });
    else expect(ended).toBeUndefined();
  });

  test('is a step in which nobody could answer for a permission, and no other one', () => {
    const rejected = {
      type: 'tool_use',
      part: { callID: 'c', tool: 'bash', state: { status: 'error', error: 'The user rejected permission to use …' } },
    };
    const denied = {
      type: 'tool_use',
      part: { callID: 'c', tool: 'bash', state: { status: 'error', error: 'The user has specified a rule which prevents …' } },
    };
    const endOf = (...lines: object[]) => decode(stepStart(), ...lines).find((event) => event.kind === 'ended');
    expect(endOf(rejected, stepFinish('tool-calls'))).toMatchObject({ evidence: { result: 'failed', reason: 'permission_denied' } });
    expect(endOf(denied, stepFinish('tool-calls'))).toBeUndefined();
    expect(endOf(rejected, stepFinish('tool-calls'), stepStart('msg_2'), stepFinish('tool-calls'))).toMatchObject({
      evidence: { reason: 'permission_denied' },
    });
    expect(decode(stepStart(), rejected, stepStart('msg_2'), stepFinish('tool-calls')).filter(({ kind }) => kind === 'ended')).toEqual([]);
    expect(decode(denied).filter(({ kind }) => kind === 'permission.denied')).toHaveLength(1);
  });
});

describe('calls', () => {
  test('are told when their answer begins, and again with what they used', () => {
    const calls = decode(stream('ses_1'), stepStart(), stepFinish('stop')).filter((event) => event.kind === 'model.call');
    expect(calls).toMatchObject([
      { callId: 'msg_1', model: 'mk/m1', usage: {}, provisional: true },
      { callId: 'msg_1', model: 'mk/m1', usage: { uncachedInputTokens: 1, outputTokens: 2 } },
    ]);
    expect(calls[1]).not.toHaveProperty('provisional');
    expect(calls[1], 'a cost of 0 with tokens is unknown').not.toHaveProperty('costUsdMicros');
  });

  test('of a provider that tells no tokens are provisional for ever', () => {
    const none = { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } };
    expect(decode(stepFinish('stop', none)).find((event) => event.kind === 'model.call')).toMatchObject({ usage: {}, provisional: true });
    expect(decode(stepFinish('stop', { ...none, total: 0 })).find((event) => event.kind === 'model.call')).toMatchObject({
      usage: { outputTokens: 0 },
    });
  });

  test('are provisional where a kind cannot be read, or the total says more than all of them', () => {
    const call = (tokens: object): HarnessEvent | undefined => decode(stepFinish('stop', tokens)).find(({ kind }) => kind === 'model.call');
    const whole = { total: 15, input: 3, output: 4, reasoning: 2, cache: { read: 5, write: 1 } };
    expect(call(whole)).not.toHaveProperty('provisional');
    expect(call({ ...whole, total: undefined })).not.toHaveProperty('provisional');
    expect(call({ input: 3, output: 4 })).not.toHaveProperty('provisional');
    for (const part of [
      { input: '3' },
      { output: 1e300 },
      { reasoning: -1 },
      { cache: { read: 1.5, write: 1 } },
      { input: null },
      { total: 16 },
    ])
      expect(call({ ...whole, ...part }), JSON.stringify(part)).toMatchObject({ provisional: true });
  });

  test('of whose answer more than one step is told come to their sum, and the same step counts once', () => {
    const step = (id: string): object => ({
      type: 'step_finish',
      part: { id, messageID: 'msg_1', reason: 'stop', tokens: { input: 5 }, cost: 0.1 },
    });
    const last = decode(step('prt_1'), step('prt_1'), step('prt_2')).findLast(({ kind }) => kind === 'model.call');
    expect(last).toMatchObject({ usage: { uncachedInputTokens: 10 }, costUsdMicros: 200_000 });
  });

  test('whose answer broke off make sums lower bounds, whatever comes then', () => {
    const broken = (...lines: object[]): boolean => kinds(decode(stepStart(), ...lines)).includes('usage.incomplete');
    expect(broken(stepStart(), stepFinish('stop'))).toBe(true);
    expect(broken({ type: 'error', error: { name: 'APIError', data: {} } })).toBe(true);
    expect(broken(stepFinish('tool-calls'), stepStart('msg_2'), stepFinish('stop', undefined, 'msg_2'))).toBe(false);
  });

  test('are told apart by all that they were given, and results by all that came of them', () => {
    const use = (callID: string, command: string, output: string): object => ({
      type: 'tool_use',
      part: { callID, tool: 'bash', state: { status: 'completed', title: 'cat', input: { command }, output, metadata: { exit: 0 } } },
    });
    const events = decode(use('1', 'cat a', 'x'), use('2', 'cat b', 'x'), use('3', 'cat a', 'y'));
    const inputs = events.flatMap((event) => (event.kind === 'tool.started' ? [event.inputDigest] : []));
    const outputs = events.flatMap((event) => (event.kind === 'tool.finished' ? [event.outputDigest] : []));
    expect([inputs[0] === inputs[2], inputs[0] === inputs[1], outputs[0] === outputs[1], outputs[0] === outputs[2]]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('our plugin in the CLI', () => {
  const meter = { type: 'singletree_meter', sessionID: undefined };
  const step = (type: string, messageID: string, sessionID = 'ses_1', more: object = {}): object => ({
    type: 'singletree_step',
    sessionID,
    model: 'mk/m1',
    part: { id: type === 'step-start' ? 'prt_1' : 'prt_2', type, messageID, ...more },
  });
  const used = { reason: 'tool-calls', tokens: { total: 3, input: 1, output: 2, reasoning: 0, cache: { read: 0, write: 0 } }, cost: 0.5 };
  const callsIn = (...lines: (object | string)[]): HarnessEvent[] => decode(...lines).filter(({ kind }) => kind === 'model.call');
  const asks = (session: string, messageID: string): string => log('process', `session.id=${session} messageID=${messageID}`);

  test('tells a call before it begins, its figures once, and that others follow; what is printed later takes nothing back', () => {
    const calls = callsIn(
      meter,
      asks('ses_1', 'msg_1'),
      stream('ses_1'),
      step('step-start', 'msg_1'),
      step('step-finish', 'msg_1', 'ses_1', used),
      stepStart(),
      { ...stepFinish('tool-calls'), part: { id: 'prt_2', messageID: 'msg_1', ...used } },
    );
    expect(calls).toMatchObject([
      { callId: 'msg_1', usage: {}, provisional: true },
      { callId: 'msg_1', usage: {}, provisional: true },
      { callId: 'msg_1', usage: { uncachedInputTokens: 1 }, goesOn: true, costUsdMicros: 500_000 },
    ]);
  });

  test('tells the calls of sub-agents, whose tokens are then no longer unknown', () => {
    const created = log('created', 'id=ses_2 version=1.18.33 parentID=ses_1 agent=general');
    const sub = [stream('ses_1'), created, asks('ses_2', 'msg_2'), stream('ses_2'), step('step-finish', 'msg_2', 'ses_2', used)];
    expect(callsIn(meter, ...sub)).toMatchObject([
      { callId: 'msg_2', thread: { subagent: 'ses_2' }, provisional: true },
      { callId: 'msg_2', thread: { subagent: 'ses_2' }, model: 'mk/m1', usage: { outputTokens: 2 } },
    ]);
    expect(callsIn(meter, asks('ses_1', 'msg_s'), stream('ses_1', 'compaction'))).toMatchObject([{ thread: 'main', compaction: true }]);
    expect(kinds(decode(meter, ...sub))).not.toContain('usage.incomplete');
    expect(kinds(decode(...sub))).toContain('usage.incomplete');
  });
});

test('a call has the model that was asked for its answer, though the log is ahead of what is printed', () => {
  const asks = (messageID: string, agent: string, model: string): string[] => [
    log('process', `session.id=ses_1 messageID=${messageID}`),
    stream('ses_1', agent).replace('modelID=m1', `modelID=${model}`),
  ];
  const events = decode(
    ...asks('msg_1', 'build', 'm1'),
    ...asks('msg_s', 'compaction', 'small'),
    stepStart(),
    said('Hello.'),
    stepFinish('stop'),
  );
  expect(events.findLast(({ kind }) => kind === 'model.call')).toMatchObject({ model: 'mk/m1' });
  expect(kinds(events).slice(-2)).toEqual(['model.call', 'ended']);
  expect(events.some((event) => event.kind === 'text' && event.text === 'Hello.')).toBe(true);
});

describe('a compaction', () => {
  const compactions = (...lines: (object | string)[]): number => kinds(decode(...lines)).filter((kind) => kind === 'compaction').length;
  const summary = [stepStart('msg_s'), said('SUMMARY'), stepFinish('stop', undefined, 'msg_s')];

  test.each<[string, (object | string)[]]>([
    ['the CLI goes on by itself', [...summary, goOn, stepStart(), stepFinish('stop')]],
    ['the context was too long', [overflow, ...summary, stepStart(), stepFinish('stop')]],
    ['the context was too long, and the CLI goes on by itself', [overflow, ...summary, goOn, stepStart(), stepFinish('stop')]],
    ['the log tells it', [stream('ses_1', 'compaction'), ...summary, goOn, stream('ses_1'), stepStart(), stepFinish('stop')]],
  ])('is told once where %s', (_, lines) => expect(compactions(...lines)).toBe(1));

  test('that only what follows shows was no turn: its call is told again, with all that was told of it', () => {
    const [told, again] = decode(...summary, goOn).filter((event) => event.kind === 'model.call' && !event.provisional);
    expect(told).not.toHaveProperty('compaction');
    expect(again).toEqual({ ...told, endsAt: again?.endsAt, compaction: true });
    expect(decode(stepStart(), stepFinish('tool-calls'), goOn).some((event) => event.kind === 'model.call' && event.compaction)).toBe(
      false,
    );
  });

  test('that is known from the start ends nothing, and its summary is no text of the agent', () => {
    const events = decode(overflow, ...summary);
    expect(kinds(events.slice(events.findIndex(({ kind }) => kind === 'ended') + 1))).toEqual(['model.call', 'model.call', 'compaction']);
  });

  test('may have a model of its own, which is not the one of the session', () => {
    const small = stream('ses_1', 'compaction').replace('modelID=m1', 'modelID=small');
    const events = decode(stream('ses_1'), small, ...summary, stream('ses_1'), stepStart());
    expect(events.flatMap((event) => (event.kind === 'session.started' ? [event.model] : []))).toEqual([undefined, 'mk/m1']);
    expect(events.flatMap((event) => (event.kind === 'model.call' ? [event.model] : []))).toEqual(['mk/small', 'mk/small', 'mk/m1']);
  });

  test('may come again', () => {
    const working = [stepStart(), stepFinish('tool-calls')];
    expect(compactions(overflow, ...summary, goOn, ...working, overflow, ...summary, goOn, ...working, ...summary, goOn)).toBe(3);
  });
});

describe('what the CLI logs of itself', () => {
  const created = (id: string, parent = 'undefined', title = 'singletree'): string =>
    log(
      'created',
      `id=${id} slug=quiet-wizard version=1.18.33 directory=/r parentID=${parent} title=${title} agent=general model=undefined`,
    );

  test('names session and version before anything is printed, and the model with the first call', () => {
    expect(decode(created('ses_1'), log('loop', 'session.id=ses_1 step=0'), stream('ses_1'), stream('ses_1'), stepStart())).toMatchObject([
      { kind: 'session.started', sessionId: 'ses_1', harnessVersion: '1.18.33' },
      { kind: 'session.started', sessionId: 'ses_1', harnessVersion: '1.18.33', model: 'mk/m1' },
      { kind: 'model.call', model: 'mk/m1' },
    ]);
  });

  test('names the session that is gone on in, and tells of no sub-agent that it is the one', () => {
    const events = decode(
      log('loop', 'session.id=ses_1 step=0'),
      created('ses_2', 'ses_1', '"sub task (@general subagent)"'),
      stream('ses_2'),
    );
    expect(events).toMatchObject([
      { kind: 'session.started', sessionId: 'ses_1' },
      { kind: 'subagent.started', subagent: 'ses_2', name: 'general' },
      { kind: 'usage.incomplete' },
    ]);
    expect(events).toHaveLength(3);
  });

  test('tells the end of a sub-agent, which the tool then repeats', () => {
    const task = {
      type: 'tool_use',
      part: { callID: 'c', tool: 'task', state: { status: 'completed', metadata: { sessionId: 'ses_2' } } },
    };
    const of = (...lines: (object | string)[]) => kinds(decode(...lines)).filter((kind) => kind.startsWith('subagent'));
    expect(of(created('ses_1'), created('ses_2', 'ses_1'), log('"exiting loop"', 'session.id=ses_2'), task)).toEqual([
      'subagent.started',
      'subagent.ended',
    ]);
    expect(of(task)).toEqual(['subagent.started', 'subagent.ended']);
  });

  test('tells what is tried again, and not what is given up', () => {
    const failed = log('"stream error"', 'session.id=ses_1 error.error="AI_APICallError: scripted \\"500\\""', 'ERROR');
    const again = log('stream', 'providerID=mk modelID=m1 session.id=ses_1 small=false agent=build', 'INFO', '19:00:02.500');
    const retries = (...lines: string[]) => decode(...lines).filter((event) => event.kind === 'model.retried');
    expect(retries(stream('ses_1'), failed, again)).toMatchObject([{ reason: 'AI_APICallError: scripted "500"', delayMs: 2500 }]);
    expect(retries(stream('ses_1'), failed, log('process', 'session.id=ses_1 messageID=msg_2'), again)).toEqual([]);
    expect(retries(stream('ses_1'), failed)).toEqual([]);
  });

  test('tells that the same answer is asked for again, whatever broke it off, and that tokens may be lost with it', () => {
    const asks = log('process', 'session.id=ses_1 messageID=msg_1');
    const failed = (why: string): string => log('"stream error"', `session.id=ses_1 error.error="${why}"`, 'ERROR');
    const after = (...lines: string[]): string[] => kinds(decode(asks, stream('ses_1'), ...lines, stream('ses_1'))).slice(2);
    expect(after()).toEqual(['model.retried', 'usage.incomplete']);
    expect(after(failed('AI_APICallError: Cannot connect to API: The socket connection was closed'))).toEqual([
      'model.retried',
      'usage.incomplete',
    ]);
    expect(after(failed('AI_APICallError: Cannot connect to API: Unable to connect. Is the computer able'))).toEqual(['model.retried']);
    expect(after(failed('AI_APICallError: overloaded'))).toEqual(['model.retried']);
    expect(after(asks.replace('msg_1', 'msg_2'))).toEqual([]);
  });

  test('may be as long as a line can be', () => {
    const pattern = '\\"x y=z'.repeat(1_000_000);
    expect(decode(log('evaluated', `permission=bash pattern="${pattern}" action.action=allow`))).toEqual([]);
    expect(
      decode(stream('ses_1'), log('"stream error"', `session.id=ses_1 error.error="${pattern}"`, 'ERROR'), stream('ses_1')).at(-1),
    ).toMatchObject({
      kind: 'model.retried',
      reason: 'no reason given',
    });
  });

  test('tells of a title, whose tokens nobody counts', () => {
    expect(kinds(decode(stream('ses_1', 'title', 'small=true')))).toEqual(['session.started', 'usage.incomplete']);
  });

  test('is silent else; what is neither a log nor known is kept', () => {
    const line = log('evaluated', 'permission=bash pattern="cat \\"a b\\".txt" action.action=allow');
    expect(decode(line, '\u001b[93m\u001b[1m! \u001b[0mpermission requested: bash (echo hi); auto-rejecting')).toEqual([]);
    expect(kinds(decode('Segmentation fault'))).toEqual(['raw']);
  });

  // Nobody waits for this if each of its beginnings is followed to the end of the line.
  test('a line that asks for permission again and again is read at once', () => {
    expect(kinds(decode(`${'permission requested: '.repeat(360_000)}x`))).toEqual(['raw']);
  });
});

test('files that a patch changed are told one by one', () => {
  const files = [
    { filePath: '/r/a', type: 'add' },
    { filePath: '/r/b', type: 'update' },
    { filePath: '/r/c', movePath: '/r/d', type: 'move' },
    { filePath: '/r/e', type: 'delete' },
    { filePath: '/r/f', type: 'what' },
  ];
  const events = decode({
    type: 'tool_use',
    part: { callID: 'c', tool: 'apply_patch', state: { status: 'completed', metadata: { files } } },
  });
  expect(events.flatMap((event) => (event.kind === 'file.changed' ? [[event.path, event.change]] : []))).toEqual([
    ['/r/a', 'added'],
    ['/r/b', 'modified'],
    ['/r/d', 'modified'],
    ['/r/e', 'deleted'],
  ]);
});
