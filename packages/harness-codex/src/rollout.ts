import {
  arrayOf,
  countOf,
  instantOf,
  isJsonObject,
  LineSplitter,
  objectOf,
  parseJsonObject,
  stringOf,
  type JsonObject,
  type TokenUsage,
} from '@singletree/harness';
import { brokeOff } from './ending.ts';
import { tokensOf, tokensSince } from './tokens.ts';

export interface RolloutCall {
  /** Where its line ends, in bytes from the start of the file. */
  readonly endsAt: number;
  readonly model: string | undefined;
  readonly usage: TokenUsage;
  /** Milliseconds since 1970. */
  readonly at: number | undefined;
  /** It wrote the summary of a compaction. */
  readonly isCompaction: boolean;
}

export interface RolloutCompaction {
  /** Where its line ends. */
  readonly endsAt: number;
  /** The call that wrote its summary is among those that are told. */
  readonly isCounted: boolean;
}

/** Where a process went on in a thread that was there before. */
export interface Resumption {
  /** Where the line ends with which its turn begins. */
  readonly endsAt: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What the CLI wrote down of one thread. */
export interface Rollout {
  readonly threadId: string;
  /** The thread that is spoken to from outside: this one, or the one that it works for, however many are between them. */
  readonly rootId: string;
  /** The thread that it works for. */
  readonly parentId: string | undefined;
  readonly version: string | undefined;
  /** In the order in which they were made; in older versions not the last one of a process that was killed. One that it does not tell the
   *  tokens of uses none of any kind. */
  readonly calls: readonly RolloutCall[];
  readonly compactions: readonly RolloutCompaction[];
  /** The last one; undefined where one process has made the whole thread. */
  readonly resumed: Resumption | undefined;
  readonly model: string | undefined;
  readonly windowTokens: number | undefined;
  /** What the CLI goes on counting from when the thread is resumed. */
  readonly total: JsonObject;
  /** When the provider's limit ends, if the last word on it was that it is used up. Milliseconds since 1970. */
  readonly resetsAtMs: number | undefined;
  /** Threads that it has given work to. */
  readonly subagents: readonly string[];
  /** Where it ends, and when its last line was written, in milliseconds since 1970. */
  readonly endsAt: number;
  readonly at: number | undefined;
  /** At the end a call was under way, as far as it tells. */
  readonly isCallDue: boolean;
  /** At the end there was an answer of which it does not tell what it used. */
  readonly isAnswerUntold: boolean;
}

const threadIds = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Undefined for a file that does not begin as a rollout does. */
export function readRollout(bytes: Uint8Array): Rollout | undefined {
  const reader = new Reader();
  const splitter = new LineSplitter();
  const lines = splitter.push(bytes);
  const last = splitter.end();
  for (const { text, endsAt } of last ? [...lines, last] : lines) {
    // The line that was being written when the CLI was killed is none.
    const json = text === undefined ? undefined : parseJsonObject(text);
    if (json) reader.read(json, endsAt);
  }
  return reader.result();
}

class Reader {
  #meta: JsonObject | undefined;
  readonly #calls: { -readonly [field in keyof RolloutCall]: RolloutCall[field] }[] = [];
  readonly #compactions: RolloutCompaction[] = [];
  /** Beginnings of turns that somebody asked for from outside. */
  readonly #starts: Resumption[] = [];
  readonly #subagents = new Set<string>();
  readonly #openTools = new Set<string>();
  #last: Pick<Rollout, 'endsAt' | 'at'> = { endsAt: 0, at: undefined };
  #model: string | undefined;
  #windowTokens: number | undefined;
  #total: JsonObject = {};
  #resetsAtMs: number | undefined;
  /** Each call has a line of its own: from 0.160 on at the latest. In 0.150 only the difference of totals tells them. */
  #tellsCalls = false;
  /** The last call has asked for no tool, and nothing but totals has followed it. */
  #isFresh = false;
  /** What the model has answered, and is not counted yet, asks for a tool. */
  #asksForTool = false;
  /** The model has all that it needs to be called. */
  #isDue = false;
  /** Where the last answer ends of which it is not told yet what it used. */
  #untold: { readonly endsAt: number; readonly at: number } | undefined;
  /** The model has been given something since its last answer. */
  #hasInput = false;
  /** The line before told the settings of the thread, as a process does that goes on in it. */
  #isSettled = false;

  result(): Rollout | undefined {
    const threadId = stringOf(this.#meta?.['id']);
    if (this.#meta === undefined || threadId === undefined) return undefined;
    return {
      threadId,
      rootId: stringOf(this.#meta['session_id']) ?? threadId,
      parentId: parentOf(this.#meta),
      version: stringOf(this.#meta['cli_version']),
      calls: this.#calls,
      compactions: this.#compactions,
      resumed: this.#starts.length > 1 ? this.#starts.at(-1) : undefined,
      model: this.#model,
      windowTokens: this.#windowTokens,
      total: this.#total,
      resetsAtMs: this.#resetsAtMs,
      subagents: [...this.#subagents].filter((id) => id !== threadId),
      ...this.#last,
      isCallDue: this.#isDue,
      isAnswerUntold: this.#untold !== undefined,
    };
  }

  read(json: JsonObject, endsAt: number): void {
    const payload = objectOf(json['payload']);
    const at = Date.parse(stringOf(json['timestamp']) ?? '');
    this.#last = { endsAt, at: Number.isNaN(at) ? undefined : at };
    switch (json['type']) {
      case 'session_meta':
        this.#meta ??= payload; // a second one is the parent's, in the history that a sub-agent begins with
        return;
      case 'turn_context': // written right before the turn's first call: a turn that is given up at once has none
        this.#model = stringOf(payload['model']) ?? this.#model;
        this.#isDue = true;
        return;
      case 'token_usage_record':
        // A copied history may hold the calls of the thread that it was copied from.
        if (payload['thread_id'] !== this.#meta?.['id']) return;
        this.#tellsCalls = true;
        return this.#call(tokensOf(objectOf(payload['usage'])), endsAt, at);
      case 'compacted':
        this.#compacted(endsAt);
        return;
      case 'response_item':
        return this.#item(payload, endsAt, at);
      case 'event_msg':
        return this.#event(payload, endsAt, at);
    }
  }

  #event(payload: JsonObject, endsAt: number, at: number): void {
    const wasSettled = this.#isSettled;
    this.#isSettled = payload['type'] === 'thread_settings_applied';
    switch (payload['type']) {
      case 'task_started': {
        const trigger = objectOf(payload['turn_attribution'])['turn_trigger'];
        const isStart = trigger === undefined ? wasSettled || this.#starts.length === 0 : trigger === 'exec';
        if (isStart && !Number.isNaN(at)) this.#starts.push({ endsAt, at });
        this.#windowTokens = countOf(payload['model_context_window']) ?? this.#windowTokens;
        this.#openTools.clear();
        this.#isFresh = false;
        this.#asksForTool = false;
        this.#untold = undefined;
        return;
      }
      case 'token_count':
        return this.#counted(payload, endsAt, at);
      case 'task_complete': {
        const error = stringOf(objectOf(payload['error'])['message']);
        if (error === undefined) this.#passOver();
        // A request that was refused has used nothing.
        if (error === undefined || !brokeOff(error)) this.#isDue = false;
        return;
      }
      case 'item_completed':
        return this.#noteSubagents(objectOf(payload['item']));
    }
  }

  #counted(payload: JsonObject, endsAt: number, at: number): void {
    const info = objectOf(payload['info']);
    this.#windowTokens = countOf(info['model_context_window']) ?? this.#windowTokens;
    const limits = ['primary', 'secondary'].map((name) => objectOf(payload['rate_limits'])[name]).filter(isJsonObject);
    if (limits.length > 0) this.#resetsAtMs = resetOf(limits);
    const total = info['total_token_usage'];
    // Zeros stand for a context that was too long, not for a thread that had used nothing.
    if (!isJsonObject(total) || isNothing(total)) return;
    const before = this.#total;
    this.#total = total;
    if (this.#tellsCalls) return;
    // A fork goes on from the total of the thread that it comes from.
    const isFork = isNothing(before) && this.#meta?.['forked_from_id'] !== undefined;
    const usage = isFork ? tokensOf(objectOf(info['last_token_usage'])) : tokensSince(total, before);
    if (Object.values(usage).some((tokens) => tokens > 0)) this.#call(usage, endsAt, at);
  }

  #call(usage: TokenUsage, endsAt: number, at: number): void {
    this.#calls.push({ endsAt, model: this.#model, usage, at: instantOf(at), isCompaction: false });
    this.#isFresh = !this.#asksForTool;
    this.#asksForTool = false;
    this.#untold = undefined;
  }

  #compacted(endsAt: number): void {
    const call = this.#isFresh ? this.#calls.at(-1) : undefined;
    if (call) call.isCompaction = true;
    this.#compactions.push({ endsAt, isCounted: call !== undefined });
    this.#isFresh = false;
    this.#isDue = true;
    this.#untold = undefined;
  }

  #item(item: JsonObject, endsAt: number, at: number): void {
    const id = stringOf(item['call_id']);
    switch (item['type']) {
      case 'function_call':
      case 'custom_tool_call':
      case 'local_shell_call':
        if (id !== undefined) this.#openTools.add(id);
        this.#asksForTool = true;
        return this.#answered(endsAt, at);
      case 'reasoning':
        return this.#answered(endsAt, at);
      case 'message':
        if (item['role'] === 'assistant') this.#answered(endsAt, at);
        return;
      case 'function_call_output':
      case 'custom_tool_call_output':
        if (id !== undefined) this.#openTools.delete(id);
        this.#isFresh = false;
        this.#hasInput = true;
        // What a stop has ended is told to no model.
        this.#isDue = this.#openTools.size === 0 && !/aborted by user/.test(stringOf(item['output']) ?? '');
    }
  }

  #answered(endsAt: number, at: number): void {
    if (this.#hasInput) this.#passOver();
    this.#hasInput = false;
    this.#isFresh = false;
    this.#isDue = false;
    this.#untold = { endsAt, at };
  }

  /** The session has gone on, and what its last answer used was not told. */
  #passOver(): void {
    if (this.#untold) this.#call({}, this.#untold.endsAt, this.#untold.at);
  }

  #noteSubagents(item: JsonObject): void {
    for (const id of [item['agent_thread_id'], ...arrayOf(item['receiver_thread_ids'])])
      if (typeof id === 'string' && threadIds.test(id)) this.#subagents.add(id);
  }
}

/** Versions before 0.150 tell it in one place only, and no root. */
function parentOf(meta: JsonObject): string | undefined {
  const spawned = objectOf(objectOf(objectOf(meta['source'])['subagent'])['thread_spawn']);
  return stringOf(meta['parent_thread_id']) ?? stringOf(spawned['parent_thread_id']);
}

function isNothing(total: JsonObject): boolean {
  return !countOf(total['input_tokens']) && !countOf(total['output_tokens']);
}

/** The last end of the windows that are used up. */
function resetOf(limits: readonly JsonObject[]): number | undefined {
  const used = limits.filter((limit) => Number(limit['used_percent']) >= 100);
  const ends = used.flatMap((limit) => instantOf(limit['resets_at'], 1000) ?? []);
  return ends.length === 0 ? undefined : Math.max(...ends);
}
