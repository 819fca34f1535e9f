import { defined, type HarnessEvent, type ReconcileInput, type RecordedCall, type SessionFile, type Thread } from '@singletree/harness';
import { isMain, writtenBefore, writtenSince } from './baseline.ts';
import type { ModelTotals } from './ledger.ts';
import { OpenRequests } from './open-requests.ts';
import { readTranscript, type Transcript } from './transcript.ts';

/** What an attempt did in its session, from its files and its output together. */
export interface RecordedSession {
  /** Every call that is known, the final figures of each where there are any. Summaries of compactions are not among them. */
  readonly calls: readonly RecordedCall[];
  readonly savedTotals: ModelTotals | undefined;
  readonly savedCostsAreGuesses: boolean;
  /** The files hold a request without its answer. */
  readonly hasOpenRequest: boolean;
  /** Something was asked of the model, or half answered, of which no figure is told. */
  readonly isCallDue: boolean;
  readonly compactions: Transcript['compactions'];
}

interface ThreadFile {
  readonly thread: Thread;
  readonly transcript: Transcript;
}

/**
 * Undefined where the session has no file.
 *
 * The CLI writes its files a tenth of a second behind its output: of a process that was killed, the output may tell calls that no file has.
 */
export function recordedSession({ sessionId, files, baseline, events }: ReconcileInput): RecordedSession | undefined {
  const main = files.find((file) => isMain(sessionId, file));
  if (!main) return undefined;
  const told = toldCalls(events);
  const own = (file: SessionFile): Transcript => readTranscript(writtenSince(baseline, file));
  const conversation = own(main);
  const threads: readonly ThreadFile[] = [
    { thread: 'main', transcript: conversation },
    ...files
      .filter((file) => file !== main)
      .map((file) => {
        const transcript = own(file);
        return { thread: threadOf(transcript, told) ?? { subagent: agentOf(file) }, transcript };
      }),
  ];
  // What a file says again of an earlier attempt's calls is not this one's.
  const earlier = new Set(files.flatMap((file) => readTranscript(writtenBefore(baseline, file)).calls.map(({ id }) => id)));
  const calls = new Map<string, Known>();
  for (const { thread, transcript } of threads) {
    for (const { id: callId, model, usage, at, isFinal } of transcript.calls) {
      if (!earlier.has(callId)) calls.set(callId, { ...defined({ callId, thread, model, usage, at }), isFinal });
    }
  }
  const written = new Set(calls.keys());
  for (const call of told.values()) {
    const file = calls.get(call.callId);
    // Where both tell its end, the output is as it came from the provider; files of older versions leave some kinds out.
    if (call.isFinal || file?.isFinal !== true) calls.set(call.callId, { ...file, ...call });
  }
  return {
    calls: [...calls.values()].map(({ isFinal: _, ...call }) => call),
    savedTotals: conversation.savedTotals,
    savedCostsAreGuesses: conversation.savedCostsAreGuesses,
    hasOpenRequest: threads.some(({ transcript }) => transcript.callUnderWay),
    isCallDue: [...calls.values()].some(({ isFinal }) => !isFinal) || isDue(threads, events, told, written),
    compactions: conversation.compactions,
  };
}

interface Known extends RecordedCall {
  readonly isFinal: boolean;
}

/** Each call as the output told it last. */
function toldCalls(events: readonly HarnessEvent[]): ReadonlyMap<string, Known> {
  const calls = new Map<string, Known>();
  for (const event of events) {
    if (event.kind !== 'model.call') continue;
    const { callId, thread, model, usage, provisional } = event;
    calls.set(callId, { ...defined({ callId, thread, model, usage }), isFinal: provisional !== true });
  }
  return calls;
}

/** A file whose last calls are missing says nothing of what came after them: then, and beside it, the output counts. */
function isDue(
  threads: readonly ThreadFile[],
  events: readonly HarnessEvent[],
  told: ReadonlyMap<string, Known>,
  written: ReadonlySet<string>,
): boolean {
  const open = new OpenRequests();
  for (const event of events) open.add(event);
  const isBehind = (thread: Thread): boolean => [...told.values()].some((call) => isSame(call.thread, thread) && !written.has(call.callId));
  return open.any || threads.some(({ thread, transcript }) => transcript.callUnderWay && !isBehind(thread));
}

/** The output names a sub-agent by the tool call that started it, its file does not: a call that both have tells whose it is. */
function threadOf({ calls }: Transcript, told: ReadonlyMap<string, Known>): Thread | undefined {
  return calls.flatMap(({ id }) => told.get(id)?.thread ?? [])[0];
}

function agentOf({ path }: SessionFile): string {
  return /agent-([^/]*)\.jsonl$/.exec(path)?.[1] ?? path;
}

function isSame(left: Thread, right: Thread): boolean {
  return left === right || (left !== 'main' && right !== 'main' && left.subagent === right.subagent);
}
