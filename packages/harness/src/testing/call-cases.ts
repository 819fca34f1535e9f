import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Harness, ReconcileInput, Reconciliation } from '../contract.ts';
import type { ModelUsage, TokenUsage } from '../events.ts';
import { addCounts, addTokens, usesTokens } from '../tokens.ts';
import { foldUsage } from '../usage.ts';
import { baselineShape, sessionFilesShape } from '../shapes.ts';
import type { ConformanceCase, Subject } from './case.ts';
import type { Fixture, RecordedSession } from './fixtures.ts';
import { Mutator } from './mutate.ts';
import { check, fold, play, same } from './play.ts';
import { pick, seeded } from './random.ts';
import { countsOnly, isSound } from './sound.ts';

type Recorded = Fixture & { readonly session: RecordedSession };

/** What is told call by call against what it is summed up to, in what the CLI printed and in what it kept. */
export function callCases(subject: Subject): ConformanceCase[] {
  const { harness, fixtures, seed } = subject;
  const mutatedLines = Math.ceil(subject.mutatedLines / 10);
  const recorded = fixtures.flatMap((fixture): Recorded[] => (fixture.session ? [{ ...fixture, session: fixture.session }] : []));
  return [
    ...fixtures.map((fixture): ConformanceCase => ({
      rule: 'costs',
      name: `${fixture.name}: no price of nothing, and none of 0 for tokens`,
      run: () => {
        for (const event of play(harness, fixture)) {
          if (event.kind === 'model.call') isPriced(event, `call ${event.callId}`);
          if (event.kind === 'usage.total') for (const part of event.byModel) isPriced(part, `a total of ${part.model ?? 'no model'}`);
        }
      },
    })),
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'calls',
      name: `${fixture.name}: the calls of its files come to what it used`,
      run: () => addUp(harness.reconcile?.(inputOf(harness, fixture)), fixture.name),
    })),
    ...recorded.map((fixture): ConformanceCase => ({
      rule: 'resume',
      name: `${fixture.name}: to go on after its end counts nothing of it again`,
      run: () => nothingAgain(harness, fixture),
    })),
    {
      rule: 'reconciliation',
      name: `session files with ${mutatedLines} lines changed at random (seed ${seed}) never throw, and never give a figure that is none`,
      run: () => mutated(subject, recorded, mutatedLines),
    },
  ];
}

function inputOf(harness: Harness, fixture: Recorded): ReconcileInput {
  const { id: sessionId, files } = fixture.session;
  return { sessionId, files, baseline: fixture.baseline, events: play(harness, fixture) };
}

function isPriced({ usage, costUsdMicros }: Pick<ModelUsage, 'usage' | 'costUsdMicros'>, what: string): void {
  if (costUsdMicros === 0) check(!usesTokens(usage), `${what} used tokens and costs 0: a price that nobody told is absent`);
}

function addUp(told: Reconciliation | undefined, where: string): void {
  if (told === undefined) return;
  for (const part of told.usage) isPriced(part, `${where}: the usage of ${part.model ?? 'no model'}`);
  const { calls } = told;
  if (calls === undefined) return;
  for (const call of calls) isPriced(call, `${where}: call ${call.callId}`);
  const ids = calls.map(({ callId }) => callId);
  same([...new Set(ids)], ids, `${where}: ids of calls, each once`);
  isPartOf(sum(calls), sum(told.usage), `${where}: the calls come to more than the usage of which they are calls`);
  const subagents = calls.filter(({ thread }) => thread !== 'main');
  if (told.subagentUsage !== undefined)
    isPartOf(sum(subagents), told.subagentUsage, `${where}: the calls of sub-agents come to more than subagentUsage`);
  if (told.turns !== undefined) {
    const turns = calls.filter(({ thread, compaction }) => thread === 'main' && !compaction).length;
    check(turns <= told.turns, `${where}: ${turns} calls of the main thread, and only ${told.turns} turns`);
  }
  const [own, whole] = [costOf(calls), costOf(told.usage)];
  // Where either leaves a price away there is nothing to compare.
  if (own !== undefined && whole !== undefined)
    check(own <= whole, `${where}: calls cost ${own}, and the usage of which they are calls ${whole}`);
}

/** A total may hold what no call tells: what a compaction used, or a call that was tried again. */
function isPartOf(part: TokenUsage, whole: TokenUsage, message: string): void {
  const more = Object.entries(part).filter(([kind, tokens]) => tokens > (Object.entries(whole).find(([name]) => name === kind)?.[1] ?? 0));
  check(more.length === 0, `${message}: ${more.map(([kind, tokens]) => `${tokens} ${kind}`).join(', ')} of ${JSON.stringify(whole)}`);
}

function sum(parts: readonly { readonly usage: TokenUsage }[]): TokenUsage {
  return used(addTokens(...parts.map(({ usage }) => usage)));
}

/** Kinds of which nothing was used are left out by some sums, and stay in others. */
function used(usage: TokenUsage): TokenUsage {
  return Object.fromEntries(Object.entries(usage).filter(([, tokens]) => tokens > 0));
}

function costOf(parts: readonly Pick<ModelUsage, 'usage' | 'costUsdMicros'>[]): number | undefined {
  const priced = parts.filter(({ usage }) => usesTokens(usage));
  if (priced.some(({ costUsdMicros }) => costUsdMicros === undefined)) return undefined;
  return priced.reduce((total, { costUsdMicros = 0 }) => addCounts(total, costUsdMicros), 0);
}

/** A process that goes on in the session and dies before it says a word. */
function nothingAgain(harness: Harness, { name, session }: Recorded): void {
  if (!harness.capabilities.resume || !harness.baseline) return;
  const baseline = harness.baseline(session.id, session.files);
  check(baseline !== undefined, `${name}: there is no baseline, although the session has files`);
  const told = harness.reconcile?.({ sessionId: session.id, files: session.files, baseline, events: [] });
  same(sum(told?.usage ?? []), {}, `${name}: what is used by a process that did nothing`);
}

function mutated({ harness, seed }: Subject, recorded: readonly Recorded[], mutatedLines: number): void {
  const random = seeded(seed);
  const mutator = new Mutator(
    random,
    recorded.flatMap(({ session }) => session.files.map(({ bytes }) => bytes)),
  );
  // What was printed stays, so that it is decoded once.
  const inputs = recorded.map((fixture) => ({ fixture, input: inputOf(harness, fixture) }));
  for (let done = 0; done < mutatedLines && inputs.length > 0;) {
    const { fixture, input } = pick(random, inputs);
    const files = input.files.map(({ path, bytes }) => {
      const changed = mutator.mutate(bytes);
      done += changed.changed;
      return { path, bytes: changed.bytes };
    });
    const where = `${fixture.name} with changed session files`;
    const told = harness.reconcile?.({ ...input, files });
    isSound(told, where);
    const ids = (told?.calls ?? []).map(({ callId }) => callId);
    same([...new Set(ids)], ids, `${where}: ids of calls, each once`);
    countsOnly(foldUsage(input.events, harness.capabilities, told), where);
    check(isDeepStrictEqual(harness.reconcile?.({ ...input, files }), told), `${where}: other figures when asked again`);
    const baseline = harness.baseline?.(input.sessionId, files);
    const stored = answered(baselineShape, baseline, `${where}: baseline`);
    same(stored && JSON.parse(JSON.stringify(stored)), stored, `${where}: the baseline as it is stored`);
    fold(harness, play(harness, stored === undefined ? fixture : { ...fixture, baseline: stored }));
    answered(sessionFilesShape, harness.sessionFiles?.(input.sessionId, files) ?? [], `${where}: sessionFiles`);
  }
}

/** What the daemon takes of an answer. */
function answered<T>(shape: z.ZodType<T>, answer: unknown, where: string): T {
  const { success, data, error } = shape.safeParse(answer);
  const issue = error?.issues[0];
  check(success, `${where}: the daemon refuses ${issue?.path.join('.')}: ${issue?.message}`);
  return data;
}
