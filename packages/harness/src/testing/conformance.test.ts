import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineHarness, RefusedAttempt, type Baseline, type Capabilities, type Decoder, type Harness } from '../contract.ts';
import type { HarnessEvent, HarnessEventBody, OutputSource } from '../events.ts';
import { countOf, stringOf, type JsonObject } from '../json.ts';
import { lineDecoder } from '../lines.ts';
import { probeVersion } from '../versions.ts';
import type { Fixture } from './fixtures.ts';
import type { Rule } from './case.ts';
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
    case 'done':
      return [
        { kind: 'usage.total', byModel: [{ usage: { outputTokens: (countOf(json['tokens']) ?? 0) - before }, costUsdMicros: 5 }] },
        { kind: 'ended', evidence: { result: 'completed' } },
      ];
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
  command: ({ prompt, permissions, session }, settings) => {
    if (permissions === 'edits') throw new RefusedAttempt('toy knows no "edits"');
    const resume = session.kind === 'resume' ? [session.id] : [];
    return { file: settings.executable, args: [permissions, ...resume], env: {}, apiKeyVariable: 'TOY_KEY', stdin: prompt };
  },
  decoder: (source, baseline) => lineDecoder(source, (json) => read(json, before(baseline))),
  baseline: () => undefined,
});

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
];

const options = { versionOutput: (version: string): string => `toy ${version}` };

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
  ['a session id that is not told', 'capabilities', { capabilities: { ...capabilities, choosesSessionId: true } }],
];

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

  test('tells the rule, what was expected and what came', async () => {
    const withoutTotals = changed((events) => events.filter((event) => event.kind !== 'usage.total'));
    const [finding] = await findings({ ...toy, ...withoutTotals }, 'usage totals');
    expect(finding).toMatch(/^usage totals: one: .*total:\n  expected \{ outputTokens: 7 \}\n  but got  \{\}$/s);
  });
});
