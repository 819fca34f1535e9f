import { clip, defined, type HarnessEventBody } from '@singletree/harness';
import type { LogLine } from './log.ts';

type Events = readonly HarnessEventBody[];

/** Tokens that no file tells either. */
const untoldTitle = 'a title was thought of, whose tokens are told nowhere';
const untoldConnection = 'a connection broke off: what the call used until then, if anything, is told nowhere';
export const untold: ReadonlySet<string> = new Set([untoldTitle, untoldConnection]);

/** What is logged of a connection, but for one that nobody took. A call that the provider refused with a status has used nothing. */
const brokenConnection = /^AI_APICallError: Cannot connect to API: (?!Unable to connect)/;

interface Failure {
  readonly reason: string;
  readonly at: number | undefined;
}

interface Call {
  /** As `provider/model`. */
  readonly model: string | undefined;
  /** It writes the summary of a compaction. */
  readonly isCompaction: boolean;
}

/**
 * What the CLI logs of its sessions: which model is asked in which of them, and what of that failed and is tried again. Session and CLI
 * version come with the session's making, the model with each call. The first session that is named is the one of the run.
 */
export class OwnLog {
  #main: string | undefined;
  #version: string | undefined;
  #model: string | undefined;
  /** The main session's calls by the id of their answer, and the newest one. */
  readonly #calls = new Map<string, Call>();
  #newest: Call = { model: undefined, isCompaction: false };
  /** The id of the answer that each session asks for now. */
  readonly #answers = new Map<string, string>();
  /** Sessions that have asked for it already. */
  readonly #asked = new Set<string>();
  #isMetered = false;
  readonly #subagents = new Map<string, 'running' | 'ended'>();
  readonly #failures = new Map<string, Failure>();

  get main(): string | undefined {
    return this.#main;
  }

  /** The call for this answer of the main session. What is printed comes late: another one may have begun by then. */
  call(answer: string | undefined): Call {
    return (answer === undefined ? undefined : this.#calls.get(answer)) ?? this.#newest;
  }

  /** From now on every call is told: before it begins, whatever becomes of it, and in whichever session. */
  metered(): void {
    this.#isMetered = true;
  }

  /** Called with every line of output: one may come without a log before it. */
  begin(sessionId: string | undefined): Events {
    if (sessionId === undefined || this.#main !== undefined) return [];
    this.#main = sessionId;
    return [this.#started(sessionId)];
  }

  read(line: LogLine): Events {
    const session = line.field('session.id');
    switch (line.message) {
      case 'created':
        return this.#created(line);
      case 'loop':
        return this.begin(session);
      case 'process': // another call, and not the same again
        if (session !== undefined) this.#begin(session, line.field('messageID'));
        return [];
      case 'stream':
        return session === undefined ? [] : [...this.begin(session), ...this.#stream(line, session)];
      case 'stream error':
        if (session !== undefined)
          this.#failures.set(session, { reason: clip(line.field('error.error') ?? 'no reason given', 2048), at: line.at });
        return [];
      case 'exiting loop':
        return session === undefined ? [] : this.endSubagent(session);
      default:
        return [];
    }
  }

  /** A sub-agent as the tool that ran it tells of it. */
  ranSubagent(subagent: string, name: string | undefined): Events {
    return [...this.#beginSubagent(subagent, name), ...this.endSubagent(subagent)];
  }

  endSubagent(subagent: string): Events {
    if (this.#subagents.get(subagent) !== 'running') return [];
    this.#subagents.set(subagent, 'ended');
    return [{ kind: 'subagent.ended', subagent }];
  }

  #created(line: LogLine): Events {
    const [id, parent] = [line.field('id'), line.field('parentID')];
    if (id === undefined || !id.startsWith('ses_')) return [];
    if (parent !== undefined) return this.#beginSubagent(id, line.field('agent'));
    this.#version ??= line.field('version');
    return this.begin(id);
  }

  #beginSubagent(subagent: string, name: string | undefined): Events {
    if (this.#subagents.has(subagent)) return [];
    this.#subagents.set(subagent, 'running');
    const incomplete: HarnessEventBody = { kind: 'usage.incomplete', reason: 'a sub-agent has a session of its own' };
    return [defined({ kind: 'subagent.started', subagent, name }), ...(this.#isMetered ? [] : [incomplete])];
  }

  #stream(line: LogLine, session: string): Events {
    if (line.field('small') === 'true') return [{ kind: 'usage.incomplete', reason: untoldTitle }];
    const call = callOf(line);
    return [
      ...this.#retry(line, session),
      ...(session === this.#main ? this.#mainCall(call, session) : []),
      ...(this.#isMetered ? this.#begun(call, session) : []),
    ];
  }

  #begun({ model, isCompaction }: Call, session: string): Events {
    const callId = this.#answers.get(session);
    if (callId === undefined) return [];
    const thread = session === this.#main ? ('main' as const) : { subagent: session };
    return [
      defined({ kind: 'model.call', callId, thread, model, usage: {}, provisional: true, compaction: isCompaction ? true : undefined }),
    ];
  }

  #begin(session: string, answer: string | undefined): void {
    this.#failures.delete(session);
    this.#asked.delete(session);
    if (answer === undefined) this.#answers.delete(session);
    else this.#answers.set(session, answer);
  }

  /** The same answer is asked for again. A stream that fell silent is not logged as an error. */
  #retry(line: LogLine, session: string): Events {
    const failure = this.#failures.get(session);
    const isAgain = this.#asked.has(session);
    this.#failures.delete(session);
    if (this.#answers.has(session)) this.#asked.add(session);
    if (!failure && !isAgain) return [];
    const delayMs = failure?.at === undefined || line.at === undefined ? undefined : Math.max(0, line.at - failure.at);
    const retried = defined({ kind: 'model.retried' as const, reason: failure?.reason ?? 'its answer broke off', delayMs });
    return failure && !brokenConnection.test(failure.reason)
      ? [retried]
      : [retried, { kind: 'usage.incomplete', reason: untoldConnection }];
  }

  #mainCall(call: Call, session: string): Events {
    const answer = this.#answers.get(session);
    if (answer !== undefined) this.#calls.set(answer, call);
    this.#newest = call;
    // A compaction may have a model of its own: it is not the one that the session runs.
    if (call.isCompaction || call.model === undefined || call.model === this.#model) return [];
    this.#model = call.model;
    return [this.#started(session)];
  }

  #started(sessionId: string): HarnessEventBody {
    return defined({ kind: 'session.started', sessionId, model: this.#model, harnessVersion: this.#version });
  }
}

function callOf(line: LogLine): Call {
  const [provider, model] = [line.field('providerID'), line.field('modelID')];
  return {
    model: provider === undefined || model === undefined ? undefined : `${provider}/${model}`,
    isCompaction: line.field('agent') === 'compaction',
  };
}
