import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { HarnessEvent, Reconciliation, SessionFile } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import harness from './index.ts';
import { sessionQueries } from './session-rows.ts';

/** The tables of the CLI's database, as far as anything here reads them. */
const schema = `
  CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text NOT NULL, version text NOT NULL);
  CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL, data text NOT NULL);
  CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL, data text NOT NULL);`;

interface Row {
  readonly session: string;
  readonly data?: object;
  readonly steps?: readonly object[];
}
const main: Row = { session: 'ses_1' };
const tokens = (input: number): object => ({ total: input, input, output: 0, reasoning: 0, cache: { read: 0, write: 0 } });
const step = (input: number, cost = 0): readonly object[] => [
  { type: 'step-start' },
  { type: 'step-finish', reason: 'stop', tokens: tokens(input), cost },
];

/** What the query finds in a database with these answers, and a session that is somebody else's. */
function rowsOf(rows: readonly Row[], sessions: Readonly<Record<string, string | null>> = { ses_1: null }): readonly SessionFile[] {
  using database = new DatabaseSync(':memory:');
  database.exec(schema);
  for (const [id, parent] of Object.entries({ ...sessions, ses_other: null }))
    database.prepare('INSERT INTO session VALUES (?, ?, ?, ?)').run(id, parent, '/r', '1.18.33');
  const all: readonly Row[] = [...rows, { session: 'ses_other', steps: step(99) }];
  all.forEach(({ session, data, steps = [] }, at) => {
    const answer = { role: 'assistant', providerID: 'mk', modelID: 'm1', time: { created: 1, completed: 1000 + at }, ...data };
    // A clock that was set back: the order is that in which rows were added.
    database.prepare('INSERT INTO message VALUES (?, ?, ?, ?)').run(`msg_${100 - at}`, session, 1000 - at, JSON.stringify(answer));
    steps.forEach((part, place) =>
      database
        .prepare('INSERT INTO part VALUES (?, ?, ?, ?)')
        .run(`prt_${at}_${9 - place}`, `msg_${100 - at}`, session, JSON.stringify(part)),
    );
  });
  const [query] = sessionQueries('ses_1');
  const found = database.prepare(query?.sql ?? '').all('ses_1');
  return [{ path: query?.path ?? '', bytes: Buffer.from(found.map((row) => `${String(Object.values(row)[0])}\n`).join('')) }];
}

function reconcile(
  files: readonly SessionFile[],
  events: readonly HarnessEvent[] = [],
  before?: readonly SessionFile[],
): Reconciliation | undefined {
  const baseline = before && harness.baseline?.('ses_1', before);
  return harness.reconcile?.({ sessionId: 'ses_1', files, baseline, events });
}

describe('the database', () => {
  test('tells the session and those of its sub-agents, however deep, and no other', () => {
    const files = rowsOf(
      [
        { ...main, steps: step(1) },
        { session: 'ses_2', steps: step(20) },
        { session: 'ses_3', steps: step(300) },
      ],
      { ses_1: null, ses_2: 'ses_1', ses_3: 'ses_2' },
    );
    expect(reconcile(files)).toMatchObject({
      usage: [{ model: 'mk/m1', usage: { uncachedInputTokens: 321 } }],
      subagentUsage: { uncachedInputTokens: 320 },
      turns: 1,
      provenance: 'recovered',
      lowerBound: false,
      model: 'mk/m1',
      harnessVersion: '1.18.33',
      calls: [{ thread: 'main' }, { thread: { subagent: 'ses_2' } }, { thread: { subagent: 'ses_3' } }],
    });
  });

  test('that does not know the session has no baseline and tells nothing', () => {
    const files = rowsOf([], {});
    expect([reconcile(files), harness.baseline?.('ses_1', files)]).toEqual([undefined, undefined]);
    expect(harness.baseline?.('ses_1', rowsOf([]))).toEqual({ version: 1, data: { messages: {} } });
  });

  test('has a baseline only for the folder in which the session was begun', () => {
    const files = rowsOf([{ ...main, steps: step(1) }]);
    const baseline = (workspace?: string): unknown => harness.baseline?.('ses_1', files, workspace);
    expect([baseline('/r'), baseline(), baseline('/elsewhere')]).toEqual([expect.anything(), expect.anything(), undefined]);
  });

  test('counts what came since the baseline, in the order in which it was added, sub-agents included', () => {
    const tree = { ses_1: null, ses_2: 'ses_1' };
    const before: Row[] = [
      { ...main, steps: step(1) },
      { session: 'ses_2', steps: step(2) },
      { ...main, data: { time: { created: 1 } }, steps: [{ type: 'step-start' }] },
    ];
    const since: Row[] = [
      { session: 'ses_2', steps: step(30) },
      { ...main, steps: step(40) },
    ];
    expect(reconcile(rowsOf([...before, ...since], tree), [], rowsOf(before, tree))).toMatchObject({
      usage: [{ usage: { uncachedInputTokens: 70 } }],
      subagentUsage: { uncachedInputTokens: 30 },
      turns: 1,
      lowerBound: false,
    });
    expect(reconcile(rowsOf(before, tree))).toMatchObject({ turns: 2, lowerBound: true });
  });

  test.each<[string, Row, boolean]>([
    ['an answer that began and never ended', { ...main, data: { time: { created: 1 } }, steps: [{ type: 'step-start' }] }, true],
    ['a request without any answer', { ...main, data: { time: { created: 1 } } }, true],
    ['a request that was refused', { ...main, data: { error: { name: 'APIError' } } }, false],
    ['an answer that broke off and came again', { ...main, steps: [{ type: 'step-start' }, ...step(1)] }, true],
    ['a step without tokens', { ...main, steps: [{ type: 'step-start' }, { type: 'step-finish', tokens: { input: 0, output: 0 } }] }, true],
    ['a kind that is no count', { ...main, steps: [{ type: 'step-finish', tokens: { input: 5, output: '7' } }] }, true],
    ['a step', { ...main, steps: step(1) }, false],
  ])('with %s: a lower bound is %s', (_, row, lowerBound) =>
    expect(reconcile(rowsOf([{ ...main, steps: step(5) }, row]))?.lowerBound).toBe(lowerBound),
  );

  test('tells each call of which nothing is known, beside those of which all is', () => {
    const files = rowsOf(
      [
        { ...main, data: { time: { created: 1 } }, steps: [{ type: 'step-start' }] },
        { ...main, steps: [{ type: 'step-start' }, ...step(7, 0.25)] },
        { session: 'ses_2', data: { time: { created: 1 } } },
        { ...main, data: { error: { name: 'APIError' } } },
      ],
      { ses_1: null, ses_2: 'ses_1' },
    );
    const untold = { model: 'mk/m1', usage: {} };
    expect(reconcile(files)?.calls).toEqual([
      { callId: 'msg_100', thread: 'main', ...untold },
      { callId: 'msg_99/1', thread: 'main', ...untold },
      expect.objectContaining({
        callId: 'msg_99',
        usage: expect.objectContaining({ uncachedInputTokens: 7 }),
        costUsdMicros: 250_000,
        at: 1001,
      }),
      { callId: 'msg_98', thread: { subagent: 'ses_2' }, ...untold },
    ]);
  });

  test('counts summaries as compactions, unless they failed', () => {
    const summary = { summary: true, mode: 'compaction', modelID: 'small' };
    const files = rowsOf([
      { ...main, steps: step(90) },
      { ...main, data: summary, steps: step(95) },
      { ...main, data: { ...summary, error: { name: 'ContextOverflowError' } }, steps: step(96) },
      { ...main, steps: step(7) },
    ]);
    expect(reconcile(files)).toMatchObject({
      compactions: 1,
      turns: 2,
      model: 'mk/m1',
      context: { finalTokens: 7, peakTokens: 90 },
      calls: [{}, { compaction: true }, {}, {}],
    });
  });

  test('tells costs where the price table had a price, and none where a part had none', () => {
    expect(
      reconcile(
        rowsOf([
          { ...main, steps: step(1, 0.000_000_4) },
          { ...main, steps: step(1, 0.000_000_4) },
        ]),
      )?.usage,
    ).toMatchObject([{ costUsdMicros: 1 }]);
    expect(
      reconcile(
        rowsOf([
          { ...main, steps: step(1, 0.5) },
          { ...main, steps: step(1) },
        ]),
      )?.usage[0],
    ).not.toHaveProperty('costUsdMicros');
  });

  test('that lost what was printed is corrected by it', () => {
    const printed: HarnessEvent[] = [
      { kind: 'model.call', callId: 'msg_lost', thread: 'main', usage: { uncachedInputTokens: 1000 }, source: 'stdout', endsAt: 1 },
      { kind: 'ended', evidence: { result: 'completed' }, source: 'stdout', endsAt: 2 },
    ];
    expect(reconcile(rowsOf([{ ...main, steps: step(1) }]), printed)).toMatchObject({
      turns: 2,
      provenance: 'recovered',
      calls: [{}, { callId: 'msg_lost' }],
    });
  });
});

test('what "opencode export" prints tells the same', () => {
  const exported = {
    info: { id: 'ses_1', version: '1.18.33' },
    messages: [
      { info: { id: 'm0', sessionID: 'ses_1', role: 'user' }, parts: [{ type: 'text', text: 'do it' }] },
      {
        info: { id: 'm1', sessionID: 'ses_1', role: 'assistant', providerID: 'mk', modelID: 'm1', time: { created: 1, completed: 2 } },
        parts: step(5),
      },
    ],
  };
  const files = [{ path: 'export.json', bytes: Buffer.from(JSON.stringify(exported, null, 2)) }];
  expect(reconcile(files)).toMatchObject({ usage: [{ model: 'mk/m1', usage: { uncachedInputTokens: 5 } }], turns: 1, lowerBound: false });
});

describe('the context window', () => {
  const rows = rowsOf([{ ...main, steps: step(5) }]);
  const window = (...files: (readonly [string, string])[]): number | undefined =>
    reconcile([...rows, ...files.map(([path, text]) => ({ path, bytes: Buffer.from(text) }))])?.context?.windowTokens;
  const own = (context: number): string => JSON.stringify({ provider: { mk: { models: { m1: { limit: { context, output: 1 } } } } } });
  const catalogue = JSON.stringify({ mk: { models: { m1: { limit: { context: 50 } } } } });

  test("is the user's word before the catalogue's; both are asked for once there is a session", () => {
    expect(window()).toBeUndefined();
    expect(window(['.cache/opencode/models.json', catalogue])).toBe(50);
    expect(window(['.cache/opencode/models.json', catalogue], ['.config/opencode/opencode.json', own(70)])).toBe(70);
    expect(harness.sessionFiles?.('ses_1', [])).toEqual([]);
    expect(harness.sessionFiles?.('ses_1', rows)).toContain('.cache/opencode/models.json');
  });

  test('is read in spite of comments and trailing commas', () => {
    const text = `// "a" comment, }\n${own(70).replaceAll('}', ', /* , } */ }').replace('"mk"', '"x": "// no, comment,}", "mk"')}`;
    expect(window(['.config/opencode/opencode.jsonc', text])).toBe(70);
    expect(window(['.config/opencode/opencode.jsonc', '{"provider": '])).toBeUndefined();
  });

  test('is the one that the harness is configured with, before all', () => {
    const settings = { executable: 'x', hasApiKey: false, args: [], options: harness.options.parse({ context_window: 30 }) };
    expect(harness.contextWindow?.('mk/m1', settings)).toBe(30);
  });
});

test('the recordings hold rows as the query gives them', () => {
  const recorded = readFileSync(new URL('../fixtures/1.18.33/sessions/subagent/rows.jsonl', import.meta.url), 'utf8').split('\n', 3);
  const [own, message] = Buffer.from(rowsOf([{ ...main, steps: step(1) }])[0]?.bytes ?? [])
    .toString('utf8')
    .split('\n');
  const keys = (line: string | undefined): string[] => Object.keys(JSON.parse(line ?? '{}').info).toSorted();
  expect([keys(recorded[0]), keys(recorded[2])]).toEqual([keys(own), keys(message)]);
});
