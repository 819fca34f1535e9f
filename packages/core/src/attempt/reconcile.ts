import { join } from 'node:path';
import type { EndEvidence, HarnessEvent, Reconciliation } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import { readClock, type ClockLine } from '../supervision/directory.ts';
import { readSpec } from '../supervision/look.ts';
import type { Command } from '../task/commands.ts';
import { newestAttempt, type Attempt, type Instant, type Task, type TaskProcess } from '../task/task.ts';
import { accountOf, sessionIdOf } from './account.ts';
import { contextOf } from './context.ts';
import { correctionOf } from './correction.ts';
import { costOf } from './costs.ts';
import { ledgerOf } from './ledger.ts';
import type { Rooms } from './rooms.ts';
import { logEnd } from './output-end.ts';
import { readSessionFiles } from './session-files.ts';
import { DecoderFailure, lengthsOf, Transcript } from './transcript.ts';

/** Settles what the attempt used, said and made: its whole log, the CLI's own session files, and the workspace as one commit. */
export async function reconcile(task: Task, rooms: Rooms): Promise<Command> {
  const attempt = newestAttempt(task);
  const process = task.processes.find((each) => each.role === 'harness');
  if (!attempt || !process || !task.base) throw new Error(`bug: task ${task.id} has nothing to reconcile`);
  const plugin = rooms.plugins.get(attempt.harness);
  const directory = join(rooms.processes.root, process.directory);
  const lengths = process.exit?.lengths ?? lengthsOf(directory);
  const read = await readAll(task, attempt, plugin, directory, lengths, rooms);
  const { reconciliation, incomplete } = await fromSessionFiles(plugin, attempt, read, rooms);
  const { fold } = read.transcript;
  const told = fold.summary(reconciliation);
  const unread = read.failure !== undefined && told.provenance === 'reported';
  const usage = incomplete || unread ? { ...told, lowerBound: true } : told;
  const evidence = usage.evidence ?? (await exitEvidence(plugin, process, directory, lengths));
  const timeOf = timesOf(await readClock(directory), process.exit?.endedAt);
  const { provider } = plugin.harness;
  const entries = ledgerOf({ attempt: attempt.number, events: read.events, reconciliation, usage, timeOf });
  const ledger = costOf(attempt.number, entries, usage, rooms.prices, provider);
  const correction = reconciliation && correctionOf(fold.summary(), usage, read.events, entries);
  return {
    kind: 'reconciled',
    account: accountOf({ ...usage, context: contextOf(usage, plugin, attempt) }, ledger, provider, attempt),
    calls: ledger.entries,
    ...(correction ? { correction } : {}),
    ...(evidence ? { evidence: { ...evidence, ...resetBehind(evidence, read.events, reconciliation) } } : {}),
    tree: await rooms.workspaces.freeze(task, attempt.number),
    ...(read.failure === undefined ? {} : { failure: { reason: 'decoder_failed' as const, message: read.failure } }),
  };
}

/** When each event's line was written, to the second in which its shim looked: the CLIs print no times that could be trusted more. */
function timesOf(clock: readonly ClockLine[], end: Instant | undefined): (event: HarnessEvent) => Instant | undefined {
  return ({ source, endsAt }) => {
    const line = clock.find((each) => each[source] >= endsAt);
    return line ? Math.round(line.wall) : end;
  };
}

/** When the provider's limit ends for which the attempt failed: what the harness was told last. Other refusals it has got over. */
function resetBehind(
  { reason }: EndEvidence,
  events: readonly HarnessEvent[],
  reconciliation: Reconciliation | undefined,
): { readonly resetsAt?: Instant } {
  if (reason !== 'rate_limited' && reason !== 'quota_exhausted') return {};
  const resetsAt = reconciliation?.resetsAtMs ?? events.findLast((event) => event.kind === 'rate.limited')?.resetsAtMs;
  return resetsAt === undefined ? {} : { resetsAt: Math.round(resetsAt) };
}

interface ReadAll {
  readonly transcript: Transcript;
  readonly events: readonly HarnessEvent[];
  readonly failure?: string;
}

async function readAll(
  task: Task,
  attempt: Attempt,
  plugin: Plugin,
  directory: string,
  lengths: { stdout: number; stderr: number },
  { watchdogs }: Rooms,
): Promise<ReadAll> {
  const nothingRecorded = { stdout: 0, stderr: 0 };
  const { maxOutputBytes } = task.spec.limits;
  const transcript = new Transcript(directory, plugin, attempt, nothingRecorded, maxOutputBytes, watchdogs);
  const events: HarnessEvent[] = [];
  try {
    for await (const batch of transcript.read(lengths)) events.push(...batch.events);
    return { transcript, events };
  } catch (error) {
    if (error instanceof DecoderFailure) return { transcript, events, failure: error.message };
    throw error;
  }
}

/** What the session's files correct; nothing where they or the plugin fail, and then the account may lack something. */
async function fromSessionFiles(
  plugin: Plugin,
  attempt: Attempt,
  read: ReadAll,
  rooms: Rooms,
): Promise<{ readonly reconciliation?: Reconciliation | undefined; readonly incomplete: boolean }> {
  const sessionId = sessionIdOf(read.transcript.fold.summary(), attempt);
  if (sessionId === undefined || !plugin.harness.reconcile) return { incomplete: false };
  try {
    const { files, incomplete } = await readSessionFiles(plugin, sessionId, rooms.environment);
    return { reconciliation: plugin.harness.reconcile({ sessionId, files, baseline: attempt.baseline, events: read.events }), incomplete };
  } catch (error) {
    if (error instanceof PluginFailure) return { incomplete: true };
    throw error;
  }
}

/** The end of standard error, which has the log of standard output where both have one. */
async function errorTail(directory: string, lengths: { stdout: number; stderr: number }): Promise<Buffer> {
  const log = (await readSpec(directory)).record?.oneOutput ? 'stdout' : 'stderr';
  return logEnd(directory, log, lengths[log]);
}

/** What the exit itself tells where the CLI's output had no last word. A stop that we asked for is no evidence of the harness's. */
async function exitEvidence(
  plugin: Plugin,
  process: TaskProcess,
  directory: string,
  lengths: { stdout: number; stderr: number },
): Promise<EndEvidence | undefined> {
  const { exit } = process;
  if (!exit || exit.stop !== undefined || !plugin.harness.exitEvidence) return undefined;
  const stderrTail = (await errorTail(directory, lengths)).toString('utf8');
  try {
    return plugin.harness.exitEvidence({ code: exit.code, signal: exit.signal, stderrTail });
  } catch (error) {
    if (error instanceof PluginFailure) return undefined;
    throw error;
  }
}
