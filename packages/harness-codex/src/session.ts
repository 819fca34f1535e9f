import {
  addByModel,
  addTokens,
  defined,
  foldUsage,
  promptTokens,
  type ReconcileInput,
  type Reconciliation,
  type RecordedCall,
  type SessionFile,
  type TokenUsage,
} from '@singletree/harness';
import { callsOf, isTold } from './calls.ts';
import { capabilities } from './capabilities.ts';
import { brokenOff } from './incomplete.ts';
import { ownPart } from './own-part.ts';
import { readRollout, type Rollout } from './rollout.ts';

/** The thread's rollout, in a folder for the day on which it began, and those of the sub-agents that it and they name. Resumes append. */
export function sessionFiles(sessionId: string, found: readonly SessionFile[] = []): readonly string[] {
  const subagents = found.flatMap(({ bytes }) => readRollout(bytes)?.subagents ?? []);
  const places = ['$CODEX_HOME', '.codex'].map((home) => `${home}/sessions/*/*/*`);
  return [...new Set([sessionId, ...subagents])].flatMap((id) => places.map((place) => `${place}/rollout-*-${id}.jsonl`));
}

/** Undefined where the main thread has no rollout. */
export function reconcile(input: ReconcileInput): Reconciliation | undefined {
  const rollouts = threadsOf(input);
  const main = rollouts.find(({ threadId }) => threadId === input.sessionId);
  if (!main) return undefined;
  const told = foldUsage(input.events, capabilities);
  const isOwn = ownPart(main, input.baseline);
  const { calls, isWhole } = callsOf(input, rollouts, isOwn);
  const subagentCalls = calls.filter(({ thread }) => thread !== 'main');
  const turns = calls.filter(({ thread, compaction }) => thread === 'main' && !compaction);
  const prompts = turns.flatMap(({ usage }) => promptTokens(usage) ?? []);
  const own = { usage: addByModel(calls.map(({ model, usage }) => defined({ model, usage }))), turns: turns.length };
  const isSaid = told.provenance === 'reported' && !told.lowerBound;
  const isTotalOwn = input.baseline !== undefined || !main.resumed;
  const allTold = calls.every(isTold);
  // A rollout may break off before the run did, and a call may be in the total alone: the closing words have them.
  const isOutdone = isSaid && isTotalOwn && !(isWhole && allTold) && holds(told.total, calls);
  const isCut = isOutdone && !isWhole;
  return defined({
    usage: isOutdone ? told.byModel : own.usage,
    subagentUsage: subagentCalls.length === 0 ? undefined : addTokens(...subagentCalls.map(({ usage }) => usage)),
    turns: isCut ? told.turns && Math.max(told.turns, own.turns) : own.turns,
    provenance: isSaid ? 'reported' : 'recovered',
    lowerBound: !allTold || !(isWhole || isOutdone) || hasBrokenOff(input) || missesSubagents(input, rollouts, subagentCalls),
    calls,
    model: main.model,
    harnessVersion: told.harnessVersion ?? (input.baseline ? undefined : main.version),
    compactions: main.compactions.filter((compaction) => isOwn(main, compaction)).length,
    context: defined({
      windowTokens: isGuessed(main.windowTokens, input) ? undefined : main.windowTokens,
      finalTokens: isCut ? undefined : prompts.at(-1),
      peakTokens: isCut || prompts.length === 0 ? undefined : Math.max(...prompts),
    }),
    resetsAtMs: main.resetsAtMs,
  });
}

/** The main thread, then all that work for it in the order in which they began, each once. Of copies the longest: a rollout only grows. */
function threadsOf({ sessionId, files }: ReconcileInput): readonly Rollout[] {
  const rollouts = new Map<string, Rollout>();
  for (const { bytes } of files.toSorted((one, other) => one.bytes.length - other.bytes.length)) {
    const rollout = readRollout(bytes);
    if (rollout) rollouts.set(rollout.threadId, rollout);
  }
  const rank = ({ threadId }: Rollout): string => (threadId === sessionId ? '' : threadId);
  return [...rollouts.values()]
    .filter((rollout) => worksFor(rollout, sessionId, rollouts))
    .toSorted((one, other) => (rank(one) < rank(other) ? -1 : 1));
}

function worksFor(rollout: Rollout, sessionId: string, rollouts: ReadonlyMap<string, Rollout>): boolean {
  const seen = new Set<Rollout>();
  for (let at: Rollout | undefined = rollout; at && !seen.has(at); at = rollouts.get(at.parentId ?? '')) {
    if (at.rootId === sessionId || at.parentId === sessionId) return true;
    seen.add(at);
  }
  return false;
}

/** Somebody has been given work whose calls nobody tells. */
function missesSubagents({ events }: ReconcileInput, rollouts: readonly Rollout[], calls: readonly RecordedCall[]): boolean {
  const told = new Set([
    ...rollouts.map(({ threadId }) => threadId),
    ...calls.flatMap(({ thread }) => (thread === 'main' ? [] : thread.subagent)),
  ]);
  const hasDelegated = events.some((event) => event.kind === 'tool.started' && event.tool.startsWith('collab.'));
  return (hasDelegated && calls.length === 0) || rollouts.some(({ subagents }) => subagents.some((id) => !told.has(id)));
}

/** What the CLI takes for the context window of a model that it does not know, unless it is configured. */
const guessedWindowTokens = 258_400;

function isGuessed(windowTokens: number | undefined, { events }: ReconcileInput): boolean {
  if (windowTokens !== guessedWindowTokens) return false;
  return events.some((event) => event.kind === 'warning' && /^Model metadata for .* not found/.test(event.message));
}

/** Whether a total has room for all these calls. */
function holds(total: TokenUsage, calls: readonly RecordedCall[]): boolean {
  const room = new Map(Object.entries(total));
  return Object.entries(addTokens(...calls.map(({ usage }) => usage))).every(([kind, tokens]) => tokens <= (room.get(kind) ?? 0));
}

function hasBrokenOff({ events }: ReconcileInput): boolean {
  return events.some((event) => event.kind === 'usage.incomplete' && event.reason === brokenOff.reason);
}
