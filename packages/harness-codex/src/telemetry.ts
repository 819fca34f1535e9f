import { clip, countOf, defined, type HarnessEventBody, type Thread, type TokenUsage } from '@singletree/harness';
import { brokeOff } from './ending.ts';
import { brokenOff, untoldCall } from './incomplete.ts';
import { fieldsOf, isTelemetry, type LogLine } from './log.ts';
import { disjoint } from './tokens.ts';

type Events = readonly HarnessEventBody[];
type Fields = ReadonlyMap<string, string>;

interface ThreadState {
  model: string | undefined;
  version: string | undefined;
  calls: number;
  /** A request has been answered, and what that used is not told yet. */
  isUntold: boolean;
  /** The newest call, as it was told. */
  call: Extract<HarnessEventBody, { kind: 'model.call' }> | undefined;
  /** The answer that is coming, or came last, calls a tool. */
  goesOn: boolean;
}

const nothingKnown = { model: undefined, version: undefined, isUntold: false, call: undefined, goesOn: false };

/** What the CLI logs while it works: the only place where calls, their model and sub-agents' tokens are told at the time. Its words are no
 *  interface: whatever is not understood is passed over, and the session's files have the last word. */
export class Telemetry {
  #main: string | undefined;
  readonly #threads = new Map<string, ThreadState>();
  /** Whether each is at work. */
  readonly #subagents = new Map<string, boolean>();
  readonly #failures = new Map<string, { readonly status: number | undefined; readonly reason: string }>();
  readonly #callsBefore: (threadId: string) => number;
  #counts = false;
  #brokeOff = false;

  /** @param callsBefore how many calls of a thread there were before this process */
  constructor(callsBefore: (threadId: string) => number) {
    this.#callsBefore = callsBefore;
  }

  /** From here on whatever another thread does is a sub-agent's. */
  begin(main: string): { readonly model: string | undefined; readonly version: string | undefined } {
    this.#main = main;
    const known = this.#threads.get(main);
    return { model: known?.model, version: known?.version };
  }

  get model(): string | undefined {
    return this.#threads.get(this.#main ?? '')?.model;
  }

  /** The HTTP status by which the main thread's last request was refused; undefined if it was not. */
  get refusal(): number | undefined {
    return this.#failures.get(this.#main ?? '')?.status;
  }

  get hasBrokenOff(): boolean {
    return this.#brokeOff;
  }

  get hasSeenSubagents(): boolean {
    return this.#subagents.size > 0;
  }

  /** It has told what calls of the main thread use. */
  get counts(): boolean {
    return this.#counts;
  }

  read(line: LogLine): Events {
    if (!isTelemetry(line)) return [];
    const fields = fieldsOf(line);
    const id = fields.get('conversation.id');
    if (id === undefined) return fields.get('event.name') === 'codex.sandbox_outcome' ? denial(fields) : [];
    const thread: ThreadState = this.#threads.get(id) ?? { calls: this.#callsBefore(id), ...nothingKnown };
    thread.model = fields.get('model') ?? thread.model;
    thread.version = fields.get('app.version') ?? thread.version;
    this.#threads.set(id, thread);
    switch (fields.get('event.name')) {
      case 'codex.conversation_starts':
        return this.#started(id);
      case 'codex.api_request':
        return this.#requested(id, thread, fields);
      case 'codex.sse_event':
      case 'codex.websocket_event':
        return this.#answered(id, thread, fields, line);
      case 'codex.tool_call_received':
        return this.#goesOn(thread);
      case 'codex.turn_profile':
        return [...this.#passOver(id, thread), ...this.#ended(id)];
      case 'codex.sandbox_outcome':
        return denial(fields);
      default:
        return [];
    }
  }

  #started(id: string): Events {
    if (this.#main === undefined || id === this.#main || this.#subagents.get(id)) return [];
    this.#subagents.set(id, true);
    return [{ kind: 'subagent.started', subagent: id }];
  }

  #ended(id: string): Events {
    if (!this.#subagents.get(id)) return [];
    this.#subagents.set(id, false);
    return [{ kind: 'subagent.ended', subagent: id }];
  }

  /** A request that is repeated is told with what the one before it met. */
  #requested(id: string, thread: ThreadState, fields: Fields): Events {
    const before = this.#failures.get(id);
    const status = numberOf(fields.get('http.response.status_code'));
    const error = fields.get('error.message');
    const isAnswered = error === undefined && (status === undefined || status < 400);
    if (isAnswered) this.#failures.delete(id);
    else this.#failures.set(id, { status, reason: clip(error ?? `http ${status}`, 2048) });
    const untold = this.#passOver(id, thread);
    thread.isUntold = isAnswered && fields.get('endpoint') === '/responses';
    thread.goesOn = false;
    const isRepeated = (numberOf(fields.get('attempt')) ?? 0) > 0;
    return isRepeated && before ? [...untold, defined({ kind: 'model.retried', reason: before.reason, status: before.status })] : untold;
  }

  /** An answer calls a tool: told at once, long before the tool is an item, and often before the answer is complete. */
  #goesOn(thread: ThreadState): Events {
    const wasKnown = thread.goesOn;
    thread.goesOn = true;
    return thread.isUntold || wasKnown || !thread.call ? [] : [{ ...thread.call, goesOn: true }];
  }

  /** The turn of the main thread has come to its end. */
  end(): Events {
    const thread = this.#threads.get(this.#main ?? '');
    return this.#main !== undefined && thread ? this.#passOver(this.#main, thread) : [];
  }

  /** The thread has gone on, and what the last answer used was not told. */
  #passOver(id: string, thread: ThreadState): Events {
    return thread.isUntold ? this.#called(id, thread, {}) : [];
  }

  #answered(id: string, thread: ThreadState, fields: Fields, { text }: LogLine): Events {
    if (fields.get('event.kind') !== 'response.completed') return [];
    thread.isUntold = false;
    if (fields.has('error.message')) {
      if (!brokeOff(text)) return [];
      this.#brokeOff = true;
      return [brokenOff];
    }
    const usage = disjoint({
      input: numberOf(fields.get('input_token_count')),
      cacheRead: numberOf(fields.get('cached_token_count')),
      cacheWrite: numberOf(fields.get('cache_write_token_count')),
      output: numberOf(fields.get('output_token_count')),
      reasoning: numberOf(fields.get('reasoning_token_count')),
    });
    return this.#called(id, thread, usage);
  }

  #called(id: string, thread: ThreadState, usage: TokenUsage): Events {
    thread.isUntold = false;
    thread.calls += 1;
    const who: Thread = this.#main === undefined || id === this.#main ? 'main' : { subagent: id };
    const isTold = Object.keys(usage).length > 0;
    if (who === 'main' && isTold) this.#counts = true;
    const callId = `${id}:${thread.calls}`;
    const goesOn = thread.goesOn ? true : undefined;
    thread.call = defined({ kind: 'model.call' as const, callId, thread: who, model: thread.model, usage, goesOn });
    return [...this.#started(id), thread.call, ...(isTold ? [] : [untoldCall])];
  }
}

function denial(fields: Fields): Events {
  if (fields.get('outcome') !== 'denied') return [];
  return [{ kind: 'permission.denied', tool: fields.get('tool_name') ?? 'a tool', message: 'the sandbox did not let it' }];
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : countOf(Number(text));
}
