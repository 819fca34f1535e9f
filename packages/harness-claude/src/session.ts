import {
  addByModel,
  addTokens,
  defined,
  foldUsage,
  promptTokens,
  type AttemptUsage,
  type ModelUsage,
  type ReconcileInput,
  type Reconciliation,
} from '@singletree/harness';
import { baselineTotals, isMain, writtenSince } from './baseline.ts';
import { capabilities } from './capabilities.ts';
import { Rounding, sinceTotals } from './ledger.ts';
import { readTranscript, type Transcript } from './transcript.ts';

/** The conversation, and one file for each sub-agent that it started. The folder is named after the workspace. */
export function sessionFiles(sessionId: string): readonly string[] {
  return [`.claude/projects/*/${sessionId}.jsonl`, `.claude/projects/*/${sessionId}/subagents/agent-*.jsonl`];
}

/** Undefined where the output told all and no sub-agent's share can be added. */
export function reconcile(input: ReconcileInput): Reconciliation | undefined {
  const told = foldUsage(input.events, capabilities);
  const main = input.files.find((file) => isMain(input.sessionId, file));
  if (!main) return undefined;
  const [conversation, ...subagents] = [main, ...input.files.filter((file) => file !== main)].map((file) =>
    readTranscript(writtenSince(input.baseline, file)),
  );
  if (!conversation) return undefined;
  const subagentCalls = subagents.flatMap((transcript) => transcript.calls);
  const subagentUsage = subagentCalls.length === 0 ? undefined : addTokens(...subagentCalls.map((call) => call.usage));
  const callUnderWay = [conversation, ...subagents].some((transcript) => transcript.callUnderWay);
  if (!told.lowerBound) {
    const cut = told.evidence?.result === 'interrupted' && callUnderWay;
    if (!cut && subagentUsage === undefined) return undefined;
    return defined({ usage: told.byModel, subagentUsage, provenance: 'reported', lowerBound: cut });
  }
  const { usage, complete } = recovered(input, told, conversation, subagents);
  const turns = Math.max(told.turns ?? 0, conversation.calls.length);
  return defined({ usage, subagentUsage, turns, provenance: 'recovered', lowerBound: callUnderWay || !complete });
}

/** The totals that the CLI saved when it was asked to end; after a kill, the calls in its files, where those for compactions are missing. */
function recovered(
  input: ReconcileInput,
  told: AttemptUsage,
  conversation: Transcript,
  subagents: readonly Transcript[],
): { readonly usage: readonly ModelUsage[]; readonly complete: boolean } {
  if (conversation.savedTotals) {
    const rounding = new Rounding();
    const parts = sinceTotals(conversation.savedTotals, baselineTotals(input.baseline));
    return { usage: parts.map((part) => rounding.apply(part)), complete: true };
  }
  const calls = [conversation, ...subagents].flatMap((transcript) => transcript.calls);
  const usage = addByModel(calls.map(({ model, usage }) => defined({ model, usage })));
  const compacted = input.events.some((event) => event.kind === 'usage.incomplete');
  // A total that was printed before the kill holds the compactions before it and may be more than all calls in the files.
  return { usage: compacted && promptOf(told.byModel) > promptOf(usage) ? told.byModel : usage, complete: !compacted };
}

function promptOf(parts: readonly ModelUsage[]): number {
  return parts.reduce((sum, part) => sum + (promptTokens(part.usage) ?? 0), 0);
}
