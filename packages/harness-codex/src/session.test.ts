import { readFileSync } from 'node:fs';
import { addTokens, foldUsage, objectOf, type HarnessEvent, type SessionFile } from '@singletree/harness';
import { readFixtures, type Fixture } from '@singletree/harness/testing';
import { describe, expect, test } from 'vitest';
import harness from './index.ts';
import { readRollout } from './rollout.ts';

const fixtures = readFixtures(new URL('../fixtures/', import.meta.url));

function recorded(version: string, name: string): Fixture & { session: NonNullable<Fixture['session']> } {
  const found = fixtures.find((fixture) => fixture.cliVersion === version && fixture.name === name && fixture.session);
  if (!found?.session) throw new Error(`no session ${name} of ${version}`);
  return { ...found, session: found.session };
}

/** The account of a recorded run, with other files or without the log. */
function accountOf(
  { stdout, baseline, session }: ReturnType<typeof recorded>,
  more: { files?: readonly SessionFile[]; log?: boolean } = {},
) {
  const said = Buffer.from(stdout).toString('utf8').split('\n');
  const kept = more.log === false ? said.filter((line) => line.startsWith('{')) : said;
  const events = harness.decoder('stdout', baseline).push(Buffer.from(kept.join('\n')));
  const { id: sessionId, files } = session;
  return foldUsage(events, harness.capabilities, harness.reconcile?.({ sessionId, baseline, events, files, ...more }));
}

const line = (type: string, payload: object): string => JSON.stringify({ timestamp: '2026-11-21T18:33:06.161Z', type, payload });
const rollout = (...lines: string[]) => readRollout(Buffer.from(`${lines.join('\n')}\n`));
const usage = (input: number) => ({ input_tokens: input, cached_input_tokens: 0, output_tokens: 1, reasoning_output_tokens: 0 });
const count = (total: number, last = total) =>
  line('event_msg', {
    type: 'token_count',
    info: { total_token_usage: usage(total), last_token_usage: usage(last), model_context_window: 9 },
  });

describe('without the log', () => {
  test.each(['killed-in-tool', 'edit-and-shell', 'subagent', 'compacted-and-killed'])('the rollout of 0.169.0 tells all of %s', (name) => {
    const fixture = recorded('0.169.0', name);
    expect(accountOf(fixture, { log: false }).total).toEqual(fixture.session.expected['total']);
  });

  test('the rollout of 0.150.0 lacks the last call of a killed run, and says so', () => {
    const fixture = recorded('0.150.0', 'killed-in-tool');
    expect(accountOf(fixture)).toMatchObject({ turns: 2, lowerBound: false });
    expect(accountOf(fixture, { log: false })).toMatchObject({ turns: 1, lowerBound: true, provenance: 'recovered' });
  });

  test('a sub-agent without a rollout makes the sums a lower bound', () => {
    const fixture = recorded('0.169.0', 'subagent');
    const files = fixture.session.files.filter(({ path }) => path.includes(fixture.session.id));
    expect(files).toHaveLength(1);
    expect(accountOf(fixture, { files, log: false })).toMatchObject({ lowerBound: true });
    expect(accountOf(fixture, { files, log: false })).not.toHaveProperty('subagents');
  });
});

test('a rollout of another session is nobody of ours', () => {
  const fixture = recorded('0.169.0', 'edit-and-shell');
  const files = [...fixture.session.files, ...recorded('0.169.0', 'subagent').session.files];
  expect(accountOf(fixture, { files }).total).toEqual(fixture.session.expected['total']);
});

test('a call that was only logged wrote no summary of a compaction before its time', () => {
  const id = '01a1ff7c-d160-72e3-8be5-136e9bd9edfc';
  const context = [line('event_msg', { type: 'task_started' }), line('turn_context', { model: 'm' })];
  const called = line('response_item', { type: 'function_call', call_id: 'c' });
  const answered = line('response_item', { type: 'function_call_output', call_id: 'c', output: 'x' });
  const before = [line('session_meta', { id, session_id: id }), ...context, called, answered, count(10), line('compacted', {}), ''];
  const fileOf = (lines: readonly string[]) => [{ path: 'rollout.jsonl', bytes: Buffer.from(lines.join('\n')) }];
  const baseline = harness.baseline?.(id, fileOf(before));
  const events: HarnessEvent[] = [
    { kind: 'model.call', callId: `${id}:2`, thread: 'main', usage: { uncachedInputTokens: 7 }, source: 'stdout', endsAt: 1 },
  ];
  const told = (from: typeof baseline) =>
    harness.reconcile?.({ sessionId: id, files: fileOf([...before.slice(0, -1), ...context, called]), baseline: from, events })?.calls;
  expect(told(baseline)).toEqual([{ callId: `${id}:2`, thread: 'main', usage: { uncachedInputTokens: 7 } }]);
});

test('one of several sub-agents without a rollout makes the sums a lower bound', () => {
  const [id, one, two] = [1, 2, 3].map((digit) => `01a1ff7c-d160-72e3-8be5-00000000000${digit}`);
  const named = [one, two].map((agent_thread_id) => line('event_msg', { type: 'item_completed', item: { agent_thread_id } }));
  const files = [
    [line('session_meta', { id }), ...named],
    [line('session_meta', { id: one, session_id: id })],
    [line('session_meta', { id: two, session_id: id })],
  ].map((lines, at) => ({ path: `rollout-${at}.jsonl`, bytes: Buffer.from([...lines, count(10)].join('\n')) }));
  const told = (some: readonly SessionFile[]) =>
    harness.reconcile?.({ sessionId: id ?? '', files: some, baseline: undefined, events: [] })?.lowerBound;
  expect([told(files), told(files.slice(0, 2))]).toEqual([false, true]);
});

test('threads that name no root are known by the one that they work for', () => {
  const spawned = (by: string) => ({ source: { subagent: { thread_spawn: { parent_thread_id: by } } } });
  const files = [
    { id: 'main', source: 'exec' },
    { id: 'one', ...spawned('main') },
    { id: 'below', ...spawned('one') },
    { id: 'stranger', ...spawned('other') },
    { id: 'round', ...spawned('round') },
  ].map((meta) => ({ path: `rollout-${meta.id}.jsonl`, bytes: Buffer.from(`${line('session_meta', meta)}\n${count(10)}\n`) }));
  const told = harness.reconcile?.({ sessionId: 'main', files, baseline: undefined, events: [] });
  expect(told?.calls?.map(({ callId }) => callId).toSorted((one, other) => one.localeCompare(other))).toEqual([
    'below:1',
    'main:1',
    'one:1',
  ]);
});

test('a thread is counted once, however many files have it and however they are ordered: the longest one has it all', () => {
  const fixture = recorded('0.169.0', 'subagent');
  const copies = fixture.session.files.map(({ path, bytes }) => ({ path: `copy-${path}`, bytes: bytes.subarray(0, bytes.length / 2) }));
  for (const files of [
    [...fixture.session.files, ...copies],
    [...copies, ...fixture.session.files],
  ])
    expect(accountOf(fixture, { files, log: false }).total).toEqual(fixture.session.expected['total']);
});

test.each(['0.150.0', '0.169.0'])('what %s went on with is told apart from what was before, without a baseline too', (version) => {
  const fixture = recorded(version, 'resumed-after-kill');
  expect(fixture.baseline).toBeDefined();
  const { baseline: _, ...alone } = fixture;
  for (const log of [true, false]) {
    const { total, turns, lowerBound } = accountOf(alone, { log });
    expect({ total, turns, lowerBound }).toEqual({ total: fixture.session.expected['total'], turns: 2, lowerBound: false });
  }
});

test('the log alone tells what a process used that went on in a thread', () => {
  const { stdout, session } = recorded('0.169.0', 'resumed-after-kill');
  const { total } = foldUsage(harness.decoder('stdout', undefined).push(stdout), harness.capabilities);
  expect(total).toEqual(session.expected['total']);
});

test('what was under way when an earlier process was killed makes no later one a lower bound', () => {
  const { session, baseline, stdout } = recorded('0.169.0', 'killed-mid-answer');
  const told = (before: typeof baseline, said: Uint8Array) =>
    harness.reconcile?.({
      sessionId: session.id,
      files: session.files,
      baseline: before,
      events: harness.decoder('stdout', before).push(said),
    });
  expect(told(baseline, stdout)?.lowerBound).toBe(true);
  expect(told(harness.baseline?.(session.id, session.files), Buffer.alloc(0))).toMatchObject({ lowerBound: false, calls: [] });
});

describe('what the files and the closing words tell of a run that has ended well', () => {
  const id = '01a1ff7c-d160-72e3-8be5-136e9bd9edfc';
  const kinds = (input: unknown, cached: unknown, output: unknown, reasoning: unknown) => ({
    input_tokens: input,
    cached_input_tokens: cached,
    output_tokens: output,
    reasoning_output_tokens: reasoning,
  });
  const said = (figures: unknown) =>
    [
      { type: 'thread.started', thread_id: id },
      { type: 'turn.completed', usage: figures },
    ].map((json) => `${JSON.stringify(json)}\n`);
  const began = [
    line('session_meta', { id, session_id: id }),
    line('event_msg', { type: 'task_started' }),
    line('turn_context', { model: 'm' }),
  ];
  const answered = line('response_item', { type: 'message', role: 'assistant' });
  const used = (figures: unknown) => line('token_usage_record', { thread_id: id, usage: figures });
  const over = line('event_msg', { type: 'task_complete' });
  const account = (figures: unknown, ...lines: string[]) => {
    const events = harness.decoder('stdout', undefined).push(Buffer.from(said(figures).join('')));
    const files = [{ path: `.codex/sessions/2026/11/21/rollout-x-${id}.jsonl`, bytes: Buffer.from([...began, ...lines].join('\n')) }];
    return foldUsage(events, harness.capabilities, harness.reconcile?.({ sessionId: id, files, baseline: undefined, events }));
  };
  const all = kinds(100, 40, 10, 3);
  const total = { uncachedInputTokens: 60, cacheReadInputTokens: 40, outputTokens: 7, reasoningOutputTokens: 3 };

  test.each<[string, unknown, string[], object]>([
    [
      'the same',
      all,
      [answered, used(kinds(60, 40, 4, 1)), answered, used(kinds(40, 0, 6, 2)), over],
      { total, turns: 2, lowerBound: false },
    ],
    ['nothing but its beginning', all, [], { total, lowerBound: false }],
    ['an answer without what it used', all, [answered], { total, lowerBound: false }],
    ['no figures', all, [answered, over], { total, turns: 1, lowerBound: true }],
    ['figures that are none', all, [answered, used(kinds('60', '40', '4', '1')), over], { total, turns: 1, lowerBound: true }],
    ['neither', null, [answered, used(null), over], { turns: 1, lowerBound: true }],
  ])('the rollout tells %s', (_, figures, lines, expected) => expect(account(figures, ...lines)).toMatchObject(expected));
});

test.each([
  ['a known model', 258_400, false, 258_400],
  ['an unknown model', 258_400, true, undefined],
  ['an unknown model whose window is configured', 95_000, true, 95_000],
])('the context window of %s', (_, tokens, isUnknown, windowTokens) => {
  const message = 'Model metadata for `m` not found. Defaulting to fallback metadata; this can degrade performance and cause issues.';
  const item = { type: 'item.completed', item: { id: 'item_0', type: 'error', message } };
  const events = harness.decoder('stdout', undefined).push(Buffer.from(isUnknown ? `${JSON.stringify(item)}\n` : ''));
  const lines = [line('session_meta', { id: 't' }), line('event_msg', { type: 'task_started', model_context_window: tokens })];
  const files = [{ path: 'rollout-t.jsonl', bytes: Buffer.from(lines.join('\n')) }];
  expect(harness.reconcile?.({ sessionId: 't', files, baseline: undefined, events })?.context?.windowTokens).toBe(windowTokens);
});

test('a sub-agent whose rollout is gone is told by the log', () => {
  const fixture = recorded('0.169.0', 'subagent');
  const files = fixture.session.files.filter(({ path }) => path.includes(fixture.session.id));
  const { expected } = fixture.session;
  expect(accountOf(fixture, { files })).toMatchObject({ total: expected['total'], lowerBound: false, turns: expected['turns'] });
});

test('calls are told as they were made, each with its thread, model and time; together they are the sum', () => {
  const { stdout, session, baseline } = recorded('0.169.0', 'subagent');
  const events = harness.decoder('stdout', baseline).push(stdout);
  const told = (files: readonly SessionFile[]) => harness.reconcile?.({ sessionId: session.id, files, baseline, events });
  const { calls = [] } = told(session.files) ?? {};
  expect(calls.map(({ thread }) => (thread === 'main' ? 'main' : 'sub')).join(' ')).toBe('main main sub sub main');
  expect(calls.map(({ at = 0 }) => at)).toEqual(calls.map(({ at = 0 }) => at).toSorted((one, other) => one - other));
  expect(calls.every(({ model, at }) => model === 'gpt-5.5' && at !== undefined)).toBe(true);
  expect(addTokens(...calls.map((call) => call.usage))).toEqual(session.expected['total']);
  expect(told(session.files.toReversed())?.calls).toEqual(calls);
});

test.each(
  fixtures.flatMap(({ session, stdout, ...rest }) =>
    session && /response\.completed/.test(String(stdout)) ? { ...rest, stdout, session } : [],
  ),
)('$cliVersion $name: a call has the same id and figures in the log and in what is told at the end', ({ stdout, baseline, session }) => {
  const events = harness.decoder('stdout', baseline).push(stdout);
  const { calls = [] } = harness.reconcile?.({ sessionId: session.id, files: session.files, baseline, events }) ?? {};
  const live = new Map(events.flatMap((event) => (event.kind === 'model.call' ? [[event.callId, event.usage] as const] : [])));
  expect(live).toEqual(new Map(calls.map(({ callId, usage }) => [callId, usage] as const)));
});

test('files are looked for by the id, and by the ids of sub-agents in what was found', () => {
  const { id, files } = recorded('0.169.0', 'subagent').session;
  const sub = readRollout(files.find(({ path }) => path.includes(id))?.bytes ?? Buffer.alloc(0))?.subagents[0] ?? 'none';
  expect(harness.sessionFiles?.(id, [])).toEqual([
    `$CODEX_HOME/sessions/*/*/*/rollout-*-${id}.jsonl`,
    `.codex/sessions/*/*/*/rollout-*-${id}.jsonl`,
  ]);
  expect(harness.sessionFiles?.(id, files)).toContain(`.codex/sessions/*/*/*/rollout-*-${sub}.jsonl`);
});

test('a limit that is used up is told with the end of the last window that is', () => {
  const { session, stdout } = recorded('0.169.0', 'usage-limit');
  const events = harness.decoder('stdout', undefined).push(stdout);
  expect(harness.reconcile?.({ sessionId: session.id, files: session.files, baseline: undefined, events })?.resetsAtMs).toBe(
    1_895_787_000_000,
  );
});

describe('a baseline', () => {
  test('holds the total and the length of each rollout, as plain data', () => {
    const { session } = recorded('0.169.0', 'killed-in-tool');
    const baseline = harness.baseline?.(session.id, session.files);
    expect(JSON.parse(JSON.stringify(baseline))).toEqual(baseline);
    expect(baseline?.data['bytes']).toEqual({ [session.id]: session.files[0]?.bytes.length });
  });

  test('is what was stored of a session that was gone on in', () => {
    const { session, baseline } = recorded('0.169.0', 'resumed-after-kill');
    const bytes = Number(Object.values(objectOf(baseline?.data['bytes']))[0]);
    const before = session.files.map((file) => ({ ...file, bytes: file.bytes.subarray(0, bytes) }));
    expect(harness.baseline?.(session.id, before)).toEqual(baseline);
  });

  test('there is none without the rollout of the main thread', () => {
    const { session } = recorded('0.169.0', 'subagent');
    const others = session.files.filter(({ path }) => !path.includes(session.id));
    expect(harness.baseline?.(session.id, others)).toBeUndefined();
  });
});

describe('a rollout of totals only', () => {
  const meta = (more: object = {}) => line('session_meta', { id: 't', session_id: 't', ...more });
  const inputs = (...lines: string[]) => rollout(...lines)?.calls.map((call) => call.usage.uncachedInputTokens);

  test('tells a call by what a total says beyond the one before; the same one again is none', () => {
    expect(inputs(meta(), count(10), count(10), count(25, 15))).toEqual([10, 15]);
  });

  test('of a fork goes on from the total of the thread that it comes from', () => {
    expect(inputs(meta({ forked_from_id: 'p' }), count(110, 10), count(125, 15))).toEqual([10, 15]);
  });

  test('does not begin anew after a context that was too long', () => {
    expect(
      inputs(
        meta(),
        count(10),
        line('event_msg', { type: 'token_count', info: { total_token_usage: { input_tokens: 0, output_tokens: 0 } } }),
        count(25),
      ),
    ).toEqual([10, 15]);
  });

  test('goes on with a line for each call once a newer version writes it', () => {
    const record = line('token_usage_record', { thread_id: 't', usage: usage(7) });
    const foreign = line('token_usage_record', { thread_id: 'p', usage: usage(999) });
    expect(inputs(meta(), foreign, count(10), record, count(17))).toEqual([10, 7]);
  });
});

test.each([
  ['stream disconnected before completion: idle timeout', true],
  ['unexpected status 401 Unauthorized', false],
])('a turn that failed with "%s" leaves a call open: %s', (message, isCallDue) => {
  const began = line('event_msg', { type: 'task_started' });
  const context = line('turn_context', { model: 'gpt-5.5' });
  const failed = line('event_msg', { type: 'task_complete', error: { message } });
  expect(rollout(line('session_meta', { id: 't' }), began, context, failed)).toMatchObject({ isCallDue });
});

test('what is no rollout, or only the beginning of one, is none', () => {
  for (const text of ['', '{}', 'no JSON\n', '{"type":"session_meta","payload":{"id":1}}'])
    expect(readRollout(Buffer.from(text))).toBeUndefined();
  const whole = readFileSync(new URL('../fixtures/0.169.0/sessions/success-with-edit/file-0.jsonl', import.meta.url));
  expect(readRollout(whole.subarray(0, 400))).toBeUndefined();
});
