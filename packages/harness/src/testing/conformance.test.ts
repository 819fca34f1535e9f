import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineHarness, RefusedAttempt } from '../contract.ts';
import type {
  AttemptContext,
  Baseline,
  Capabilities,
  Decoder,
  Harness,
  HarnessSettings,
  ReconcileInput,
  Reconciliation,
  RecordedCall,
} from '../contract.ts';
import type { HarnessEvent, HarnessEventBody, OutputSource, TokenUsage } from '../events.ts';
import { clip } from '../fit.ts';
import { countOf, stringOf, type JsonObject } from '../json.ts';
import { lineDecoder } from '../lines.ts';
import { subtractTokens } from '../tokens.ts';
import { probeVersion } from '../versions.ts';
import type { Fixture } from './fixtures.ts';
import { rules, type Rule } from './case.ts';
import { runSuite, type CaseResult } from './run.ts';
import { conformanceSuite } from './suite.ts';

/** A made-up CLI: `start`, `say`, `use`, `done` with a total that runs on over resumes. */
function read(json: JsonObject, before: number): HarnessEventBody[] | undefined {
  switch (json['type']) {
    case 'start':
      return [{ kind: 'session.started', sessionId: stringOf(json['id']) ?? '' }];
    case 'say':
      return [{ kind: 'text', thread: 'main', text: stringOf(json['text']) ?? '' }];
    case 'use':
      return [
        { kind: 'tool.started', thread: 'main', toolId: 't', tool: 'sh' },
        { kind: 'tool.finished', thread: 'main', toolId: 't', failed: false },
      ];
    case 'done': {
      const tokens = countOf(json['tokens']);
      const usage = tokens === undefined ? {} : { outputTokens: Math.max(0, tokens - before) };
      return [
        { kind: 'usage.total', byModel: [{ usage, costUsdMicros: 5 }] },
        { kind: 'ended', evidence: { result: 'completed' } },
      ];
    }
    default:
      return undefined;
  }
}

const capabilities: Capabilities = {
  resume: true,
  choosesSessionId: false,
  usage: { scope: 'session', counts: 'cumulative' },
  contextWindow: false,
  compaction: false,
  cost: true,
  permissionModes: ['all', 'read'],
};

const sendingTraces: Capabilities = {
  ...capabilities,
  telemetry: { traces: 'links', transports: ['http'], headersVariable: 'TOY_HEADERS' },
};

const before = (baseline: Baseline | undefined): number => countOf(baseline?.data['tokens']) ?? 0;

const toy: Harness = defineHarness<unknown>({
  specificationVersion: 'harness/v1',
  harnessId: 'toy',
  displayName: 'Toy',
  defaultExecutable: 'toy',
  supportedVersions: '1.0.0',
  decoderVersion: 1,
  capabilities,
  options: z.object({}),
  probe: async (host) =>
    await probeVersion(host, {
      displayName: 'Toy',
      args: ['-v'],
      pattern: /toy (\S+)/,
      oldest: '1.0.0',
      newest: '1.0.0',
      install: 'make toy',
    }),
  command: ({ prompt, permissions, session, model }, settings) => {
    if (permissions === 'edits') throw new RefusedAttempt('toy knows no "edits"');
    const resume = session.kind === 'resume' ? [session.id] : [];
    const args = [permissions, model ?? settings.model ?? '', ...resume, ...settings.args];
    const env = { TOY_URL: settings.baseUrl ?? '' };
    return { file: settings.executable, args, env, apiKeyVariable: 'TOY_KEY', stdin: prompt };
  },
  decoder: (source, baseline) => lineDecoder(source, (json) => read(json, before(baseline))),
  sessionFiles: (id) => [`.toy/${id}.json`],
  baseline: (_, [file]) => file && { version: 1, data: { tokens: tokensIn(file.bytes).outputTokens ?? 0 } },
  reconcile: ({ files: [file], baseline }) =>
    file && {
      usage: [{ usage: subtractTokens(tokensIn(file.bytes), { outputTokens: before(baseline) }) }],
      provenance: 'recovered',
      lowerBound: false,
    },
  exitEvidence: ({ code, stderrTail }) => (code === 0 ? undefined : { result: 'failed', message: clip(stderrTail, 2048) }),
});

/** All that the toy keeps of a session is a number. */
function tokensIn(bytes: Uint8Array): TokenUsage {
  return { outputTokens: countOf(Number.parseInt(Buffer.from(bytes).toString('utf8'), 10)) ?? 0 };
}

const lines = (...objects: object[]): Uint8Array => Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(''));
const done = (tokens: number): object => ({ type: 'done', tokens });
const fixtures: Fixture[] = [
  {
    name: 'one',
    cliVersion: '1.0.0',
    stdout: lines({ type: 'start', id: 's' }, { type: 'say', text: 'grüße' }, { type: 'use' }, done(7)),
    expected: { total: { outputTokens: 7 }, turns: null, lastText: 'grüße', lowerBound: false },
  },
  {
    name: 'resumed',
    cliVersion: '1.0.0',
    stdout: lines({ type: 'start', id: 's' }, done(9)),
    baseline: { version: 1, data: { tokens: 7 } },
    expected: { total: { outputTokens: 2 } },
  },
  {
    name: 'killed',
    cliVersion: '1.0.0',
    stdout: lines({ type: 'start', id: 's' }),
    expected: { provenance: 'missing' },
    session: {
      id: 's',
      files: [{ path: '.toy/s.json', bytes: Buffer.from('11') }],
      expected: { total: { outputTokens: 11 }, turns: null },
    },
  },
];

const options = { versionOutput: (version: string): string => `toy ${version}`, mutatedLines: 1000 };

/** What the cases of these rules, or of all, find wrong. */
async function findings(harness: Harness, ...rules: readonly Rule[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { rule, name, run } of conformanceSuite(harness, fixtures, options)) {
    if (rules.length > 0 && !rules.includes(rule)) continue;
    try {
      await run();
    } catch (error) {
      found.push(`${rule}: ${name}: ${String(error)}`);
    }
  }
  return found;
}

/** A decoder made of the right one by changing what comes out of it. */
function changed(change: (events: readonly HarnessEvent[]) => readonly HarnessEvent[]): Partial<Harness> {
  return {
    decoder: (source, baseline) => {
      const right = toy.decoder(source, baseline);
      return { push: (bytes) => change(right.push(bytes)), end: () => change(right.end()) };
    },
  };
}

/** Reads each chunk as if lines never went over its end. */
function chunkwise(source: OutputSource, baseline: Baseline | undefined): Decoder {
  const right = toy.decoder(source, baseline);
  return { push: (bytes) => right.push(Buffer.from(Buffer.from(bytes).toString('utf8'))), end: () => right.end() };
}

let shared = 0;

const mutants: readonly [fault: string, rule: Rule, Partial<Harness>][] = [
  ['events of a line in the wrong order', 'event order', changed((events) => events.toReversed())],
  [
    'an offset that is no end of a line',
    'event order',
    changed((events) => events.map((event) => ({ ...event, endsAt: event.endsAt - 1 }))),
  ],
  [
    'events longer than allowed',
    'event order',
    changed((events) => events.map((event) => (event.kind === 'text' ? { ...event, text: event.text.padEnd(20_000) } : event))),
  ],
  ['characters decoded chunk by chunk', 'UTF-8 splits', { decoder: chunkwise }],
  ['characters decoded chunk by chunk', 'chunk splits', { decoder: chunkwise }],
  [
    'state that outlives a decoder',
    'restart points',
    changed((events) => events.map((event) => (event.kind === 'text' ? { ...event, text: `${(shared += 1)}` } : event))),
  ],
  ['a field that is not in the contract', 'event shapes', changed((events) => events.map((event) => ({ ...event, price: 1 })))],
  [
    'counts that are none',
    'event shapes',
    changed((events) =>
      events.map((event) => (event.kind === 'usage.total' ? { ...event, byModel: [{ usage: { outputTokens: 0.5 } }] } : event)),
    ),
  ],
  [
    'a pattern that begins anew at each place',
    'time',
    { decoder: (source, baseline) => lineDecoder(source, (json) => read(json, before(baseline)), slow) },
  ],
  ['every line kept', 'memory', { decoder: hoarding }],
  ['a line that never ends kept', 'huge lines', { decoder: hoarding }],
  ['huge lines without a warning', 'huge lines', changed((events) => events.filter((event) => event.kind !== 'warning'))],
  ['unknown lines dropped', 'unknown events', changed((events) => events.filter((event) => event.kind !== 'raw'))],
  ['unknown lines dropped', 'malformed lines', changed((events) => events.filter((event) => event.kind !== 'raw'))],
  ['a throw on a value of another type', 'malformed lines', { decoder: (source) => lineDecoder(source, fragile) }],
  ['an ending that nobody told', 'missing ending', endsAlways()],
  ['an ending that nobody told', 'abort', endsAlways()],
  [
    'totals counted twice',
    'usage totals',
    changed((events) => events.flatMap((event): HarnessEvent[] => (event.kind === 'usage.total' ? [event, event] : [event]))),
  ],
  ['no look at the baseline', 'resume', { decoder: (source) => toy.decoder(source, undefined) }],
  [
    'a resume that is a new session',
    'resume',
    { command: (attempt, settings) => toy.command({ ...attempt, session: { kind: 'new', id: 'x' } }, settings) },
  ],
  ['a baseline for a session that is gone', 'resume', { baseline: () => ({ version: 1, data: {} }) }],
  [
    'the key in the arguments',
    'secrets',
    { command: (attempt, settings) => ({ ...toy.command(attempt, settings), args: [process.env['TOY_KEY'] ?? attempt.permissions] }) },
  ],
  [
    'no variable for the key',
    'secrets',
    {
      command: (attempt, settings) => {
        const { apiKeyVariable: _, ...command } = toy.command(attempt, settings);
        return command;
      },
    },
  ],
  [
    'the prompt in the arguments',
    'prompt',
    { command: (attempt, settings) => ({ ...toy.command(attempt, settings), args: [attempt.permissions, attempt.prompt] }) },
  ],
  [
    'a prompt whose line endings are changed',
    'prompt',
    { command: (attempt, settings) => ({ ...toy.command(attempt, settings), stdin: attempt.prompt.replaceAll('\r\n', '\n') }) },
  ],
  ['"read" that may do all', 'permission modes', { command: (attempt, settings) => ({ ...toy.command(attempt, settings), args: [] }) }],
  ['a mode that is not declared', 'permission modes', { capabilities: { ...capabilities, permissionModes: ['all'] } }],
  ['ready whatever is installed', 'probe', { probe: async () => ({ status: 'ready', version: '1.0.0' }) }],
  ['compaction that never happens', 'capabilities', { capabilities: { ...capabilities, compaction: true } }],
  ['a cost that is kept back', 'capabilities', { capabilities: { ...capabilities, cost: false } }],
  ['calls that are not shown', 'capabilities', { capabilities: { ...capabilities, usage: { scope: 'model_call', counts: 'delta' } } }],
  [
    'a completion that the exit code tells',
    'missing ending',
    { exitEvidence: ({ code }) => ({ result: code === 0 ? 'completed' : 'failed' }) },
  ],
  ['a message as long as the log', 'missing ending', { exitEvidence: ({ stderrTail }) => ({ result: 'failed', message: stderrTail }) }],
  ['session files of everybody', 'session files', { sessionFiles: () => ['.toy/*.json'] }],
  ['session files outside HOME', 'session files', { sessionFiles: (id) => [`../${id}.json`] }],
  ['a session file that it does not ask for', 'session files', { sessionFiles: (id) => [`.other/${id}.json`] }],
  ['calls that come to more than the usage', 'calls', { reconcile: (input) => ({ ...told(input), calls: [called('a', 12)] }) }],
  ['two calls of one id', 'calls', { reconcile: (input) => ({ ...told(input), calls: [called('a', 5), called('a', 6)] }) }],
  [
    'calls that cost more than the usage',
    'calls',
    {
      reconcile: (input) => ({
        ...told(input),
        usage: [{ ...called('a', 11), costUsdMicros: 1 }],
        calls: [{ ...called('a', 11), costUsdMicros: 2 }],
      }),
    },
  ],
  [
    'a figure of which nothing is said taken for 0',
    'absent figures',
    {
      decoder: (source, baseline) =>
        lineDecoder(source, (json) => read(json['type'] === 'done' ? { tokens: 0, ...json } : json, before(baseline))),
    },
  ],
  [
    'a price of 0 for tokens',
    'costs',
    changed((events) =>
      events.map((event) =>
        event.kind === 'usage.total' ? { ...event, byModel: event.byModel.map((part) => ({ ...part, costUsdMicros: 0 })) } : event,
      ),
    ),
  ],
  ['a resume that counts all of the files again', 'resume', { baseline: (id, [file]) => file && { version: 1, data: {} } }],
  [
    'figures of the files that are half',
    'reconciliation',
    { reconcile: (input) => ({ ...told(input), usage: [{ usage: { outputTokens: 5 } }] }) },
  ],
  [
    'no files taken for no usage',
    'reconciliation',
    { reconcile: (input) => (input.files.length > 0 ? told(input) : { usage: [], provenance: 'recovered', lowerBound: false }) },
  ],
  ['figures that grow each time', 'reconciliation', { reconcile: (input) => ({ ...told(input), turns: (shared += 1) }) }],
  [
    'a throw on a file that is cut',
    'reconciliation',
    { reconcile: (input) => (input.files[0] && JSON.parse(Buffer.from(input.files[0].bytes).toString('utf8')) ? told(input) : undefined) },
  ],
  [
    'the configured model only',
    'settings',
    { command: ({ model: _, ...attempt }, settings) => toy.command(attempt, { ...settings, model: settings.model ?? 'm' }) },
  ],
  ['no model but that of the attempt', 'settings', { command: (attempt, { model: _, ...settings }) => toy.command(attempt, settings) }],
  ['no configured arguments', 'settings', { command: (attempt, settings) => toy.command(attempt, { ...settings, args: [] }) }],
  ['another executable', 'settings', { command: (attempt, settings) => ({ ...toy.command(attempt, settings), file: 'toy' }) }],
  ['no base URL', 'settings', { command: (attempt, settings) => ({ ...toy.command(attempt, settings), env: {} }) }],
  [
    'trust that nobody gave',
    'trust',
    { command: (attempt, settings) => withArgument(attempt.trusted !== false, '--hooks', attempt, settings) },
  ],
  [
    'a limit that is refused',
    'metered',
    {
      command: (attempt, settings) => {
        if (attempt.metered) throw new RefusedAttempt('no limits');
        return toy.command(attempt, settings);
      },
    },
  ],
  [
    'limits where none is set',
    'metered',
    { command: (attempt, settings) => withArgument(attempt.metered !== false, '--count', attempt, settings) },
  ],
  [
    'a mode that a limit opens',
    'metered',
    { command: (attempt, settings) => toy.command(attempt.metered ? { ...attempt, permissions: 'all' } : attempt, settings) },
  ],
  [
    'calls that are told when it is too late',
    'metered',
    {
      capabilities: { ...capabilities, usage: { scope: 'model_call', counts: 'delta' } },
      ...changed((events) =>
        events.flatMap((event): HarnessEvent[] =>
          event.kind === 'usage.total'
            ? [event, { ...event, kind: 'model.call', callId: 'c', thread: 'main', usage: { outputTokens: 1 } }]
            : [event],
        ),
      ),
    },
  ],
  [
    'traces that nobody asked for',
    'telemetry',
    { command: (attempt, settings) => ({ ...toy.command(attempt, settings), env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://maker' } }) },
  ],
  ['traces that are only declared', 'telemetry', { capabilities: sendingTraces }],
  [
    'traces of nobody',
    'telemetry',
    {
      capabilities: sendingTraces,
      command: (attempt, settings) => withArgument(attempt.telemetry !== undefined, attempt.telemetry?.endpoint ?? '', attempt, settings),
    },
  ],
  [
    'the key in the arguments of a limited attempt',
    'secrets',
    { command: (attempt, settings) => withArgument(attempt.metered === true, process.env['TOY_KEY'] ?? '', attempt, settings) },
  ],
  [
    'the whole environment handed on',
    'secrets',
    {
      command: (attempt, settings) => ({
        ...toy.command(attempt, settings),
        env: Object.fromEntries(Object.entries(process.env).map(([name, value = '']) => [name, value])),
      }),
    },
  ],
  ['a key asked of the user', 'secrets', { environment: ['TOY_HOME', 'TOY_API_KEY'] }],
  [
    'the prompt in the arguments of a resume',
    'prompt',
    { command: (attempt, settings) => withArgument(attempt.session.kind === 'resume', attempt.prompt, attempt, settings) },
  ],
  ['a program that is found anywhere', 'executables', { nativeExecutables: () => ['toy-native'] }],
  ['another program each time', 'executables', { nativeExecutables: () => [`/opt/toy-${(shared += 1)}`] }],
  ['two logs read from one', 'one output', { command: (attempt, settings) => ({ ...toy.command(attempt, settings), oneOutput: true }) }],
  [
    'a query that writes',
    'session files',
    { sessionQueries: (id) => [{ path: '.toy/db', sql: 'DELETE FROM s WHERE id = ?', parameters: [id] }] },
  ],
  ['two queries in one', 'session files', { sessionQueries: (id) => [{ path: '.toy/db', sql: 'SELECT ?; SELECT 1', parameters: [id] }] }],
  [
    'a query with the session in its words',
    'session files',
    { sessionQueries: (id) => [{ path: '.toy/db', sql: `SELECT '${id}', ?`, parameters: [id] }] },
  ],
  ['a query without its session', 'session files', { sessionQueries: () => [{ path: '.toy/db', sql: 'SELECT 1', parameters: [] }] }],
  ['a contract of tomorrow', 'declaration', JSON.parse('{"specificationVersion":"harness/v2"}')],
  ['an id that is no key', 'declaration', { harnessId: 'Toy Agent' }],
  ['an option that must be given', 'declaration', { options: z.object({ script: z.string() }) }],
  ['a limit of versions that nobody can read', 'declaration', { knownLimits: [{ versions: 'old ones', text: 'No figures.' }] }],
  ['a decoder of no version', 'declaration', { decoderVersion: 0 }],
  ['a buffer that is kept', 'chunk splits', { decoder: keeping }],
  ['a session id that is not told', 'capabilities', { capabilities: { ...capabilities, choosesSessionId: true } }],
];

function told(input: ReconcileInput): Reconciliation {
  return toy.reconcile?.(input) ?? { usage: [], provenance: 'recovered', lowerBound: true };
}

function withArgument(
  isSo: boolean,
  argument: string,
  attempt: AttemptContext,
  settings: HarnessSettings<unknown>,
): ReturnType<Harness['command']> {
  const command = toy.command(attempt, settings);
  return isSo ? { ...command, args: [...command.args, argument] } : command;
}

function called(callId: string, outputTokens: number): RecordedCall {
  return { callId, thread: 'main', usage: { outputTokens } };
}

/** Holds the caller's bytes until a line is whole, without a copy. */
function keeping(source: OutputSource, baseline: Baseline | undefined): Decoder {
  const right = toy.decoder(source, baseline);
  let held: Uint8Array[] = [];
  const flush = (): readonly HarnessEvent[] => {
    const events = held.flatMap((bytes) => right.push(bytes));
    held = [];
    return events;
  };
  return {
    push: (bytes) => {
      held.push(bytes);
      return bytes.includes(0x0a) ? flush() : [];
    },
    end: () => [...flush(), ...right.end()],
  };
}

/** Looks from each beginning for an end that does not come. */
function slow(text: string): undefined {
  return /a.*\0$/.test(text) ? undefined : undefined;
}

/** Keeps all that it has read. */
function hoarding(source: OutputSource, baseline: Baseline | undefined): Decoder {
  const right = toy.decoder(source, baseline);
  const kept: Uint8Array[] = [];
  return {
    push: (bytes) => {
      kept.push(Buffer.from(bytes));
      return right.push(bytes);
    },
    end: () => (kept.length === 0 ? [] : right.end()),
  };
}

function fragile(json: JsonObject): HarnessEventBody[] | undefined {
  const { type } = json;
  if (typeof type !== 'string') throw new TypeError('a type is always a string');
  return read(json, 0);
}

function endsAlways(): Partial<Harness> {
  return {
    decoder: (source, baseline) => {
      const right = toy.decoder(source, baseline);
      const ended: HarnessEvent = { kind: 'ended', evidence: { result: 'completed' }, source, endsAt: 0 };
      return { push: (bytes) => right.push(bytes), end: () => [...right.end(), ended] };
    },
  };
}

describe('the conformance suite', () => {
  test('finds nothing wrong with a plugin that keeps the contract', async () => {
    expect(await findings(toy)).toEqual([]);
  });

  test.each(mutants)('%s breaks "%s"', async (_, rule, fault) => {
    expect(await findings({ ...toy, ...fault }, rule)).not.toEqual([]);
  });

  test('has a fault for each of its rules', () => {
    expect(new Set(mutants.map(([, rule]) => rule))).toEqual(new Set(rules));
  });

  test('runs without a test framework, and tells what a plugin throws', async () => {
    const broken: Harness = { ...toy, decoder: (source) => lineDecoder(source, fragile) };
    const results: CaseResult[] = [];
    for await (const result of runSuite(conformanceSuite(broken, fixtures, options))) results.push(result);
    expect(results.filter(({ passed }) => passed).length).toBeGreaterThan(20);
    const failed = results.filter(({ passed }) => !passed);
    expect(failed).toContainEqual(
      expect.objectContaining({
        rule: 'malformed lines',
        message: expect.stringMatching(/^a type is always a string\n  at the line /) as string,
      }),
    );
    expect(results).toHaveLength(conformanceSuite(toy, fixtures, options).length);
  });

  test('tells the rule, what was expected and what came', async () => {
    const withoutTotals = changed((events) => events.filter((event) => event.kind !== 'usage.total'));
    const [finding] = await findings({ ...toy, ...withoutTotals }, 'usage totals');
    expect(finding).toMatch(/^usage totals: one: .*total:\n  expected \{ outputTokens: 7 \}\n  but got  \{\}$/s);
  });
});
