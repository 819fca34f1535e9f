import { join } from 'node:path';
import type { AttemptUsage, EndEvidence, HarnessEvent, Reconciliation } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import type { Command } from '../task/commands.ts';
import { newestAttempt, type Attempt, type AttemptAccount, type Task, type TaskProcess } from '../task/task.ts';
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
  const lengths = process.exit?.lengths ?? (await lengthsOf(directory));
  const read = await readAll(task, attempt, plugin, directory, lengths);
  const reconciliation = await fromSessionFiles(plugin, attempt, read, rooms);
  const usage = read.transcript.fold.summary(reconciliation);
  const evidence = usage.evidence ?? (await exitEvidence(plugin, process, directory, lengths));
  return {
    kind: 'reconciled',
    account: accountOf(usage, plugin, attempt),
    ...(evidence ? { evidence } : {}),
    tree: await rooms.workspaces.freeze(task, attempt.number),
    ...(read.failure === undefined ? {} : { failure: { reason: 'decoder_failed' as const, message: read.failure } }),
  };
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
): Promise<ReadAll> {
  const nothingRecorded = { stdout: 0, stderr: 0 };
  const transcript = new Transcript(directory, plugin.harness, attempt.baseline, nothingRecorded, task.spec.limits.maxOutputBytes);
  const events: HarnessEvent[] = [];
  try {
    for await (const batch of transcript.read(lengths)) events.push(...batch.events);
    return { transcript, events };
  } catch (error) {
    if (error instanceof DecoderFailure) return { transcript, events, failure: error.message };
    throw error;
  }
}

async function fromSessionFiles(plugin: Plugin, attempt: Attempt, read: ReadAll, rooms: Rooms): Promise<Reconciliation | undefined> {
  const sessionId = read.transcript.fold.summary().sessionId ?? attempt.session?.id;
  if (sessionId === undefined || !plugin.harness.reconcile) return undefined;
  const files = await readSessionFiles(plugin, sessionId, rooms.environment);
  return plugin.harness.reconcile({ sessionId, files, baseline: attempt.baseline, events: read.events });
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
  const stderrTail = (await logEnd(directory, 'stderr', lengths.stderr)).toString('utf8');
  return plugin.harness.exitEvidence({ code: exit.code, signal: exit.signal, stderrTail });
}

function accountOf(usage: AttemptUsage, plugin: Plugin, attempt: Attempt): AttemptAccount {
  const { total, provenance, lowerBound, turns, costUsdMicros, compactions, context, model, harnessVersion, lastText } = usage;
  const sessionId = usage.sessionId ?? attempt.session?.id;
  const { cacheWrite1hInputTokens: _, ...kinds } = total;
  return {
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(model === undefined ? {} : { model }),
    ...(plugin.harness.provider === undefined ? {} : { provider: plugin.harness.provider }),
    ...(harnessVersion === undefined ? {} : { harnessVersion }),
    ...(provenance === 'missing' ? {} : { usage: { ...kinds, provenance, lowerBound } }),
    ...(turns === undefined ? {} : { turns }),
    ...(costUsdMicros === undefined ? {} : { costUsdMicros, costSource: 'harness' as const }),
    ...(compactions === undefined ? {} : { compactions }),
    context,
    ...(lastText === undefined ? {} : { summary: lastText }),
  };
}
