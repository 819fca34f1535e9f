import {
  lineDecoder,
  silentDecoder,
  stringOf,
  objectOf,
  clip,
  isJsonObject,
  type Decoder,
  type HarnessEventBody,
  type JsonObject,
  type OutputSource,
} from '@singletree/harness';
import { Calls, type Call } from './calls.ts';
import { failure, stepEnd } from './ending.ts';
import { readLogLine } from './log.ts';
import { OwnLog } from './own-log.ts';
import { ServeEvents } from './serve.ts';
import { fileChanges, toolEvents } from './tools.ts';

type Events = readonly HarnessEventBody[];

const brokenOff: HarnessEventBody = { kind: 'usage.incomplete', reason: 'an answer broke off: what it used is told nowhere' };

/**
 * `run --format json` of opencode 1.18, and between its lines what the CLI logs of itself.
 *
 * Nothing says that the run is over: a step that finished with the reason `stop` was the last one, unless a compaction follows and more
 * steps with it. An `error` may be recovered from in the same way. A question of permission that nobody answers ends the run, too. Events of
 * `serve`, which have properties, are read for recordings only.
 */
export function createDecoder(source: OutputSource): Decoder {
  // Both go into one log.
  if (source === 'stderr') return silentDecoder();
  const reader = new RunReader();
  return lineDecoder(
    source,
    (json) => reader.read(json),
    (text) => reader.readText(text),
  );
}

class RunReader {
  readonly #log = new OwnLog();
  readonly #serve = new ServeEvents();
  readonly #calls = new Calls();
  #rejected = false;
  /** The call whose answer has begun and not ended. */
  #openCall: string | undefined;
  /** The last one, if its answer called no tool. */
  #lastStop: Omit<Call, 'isCompaction'> | undefined;
  /** What is known of the compaction that goes on: the next step sums up, this one does, or it is over and was told. */
  #compaction: 'due' | 'summary' | 'told' | undefined;

  /** Undefined for a line that is not known. */
  read(json: JsonObject): Events | undefined {
    const { type, properties } = json;
    if (typeof type === 'string' && isJsonObject(properties)) return this.#serve.read(type, properties);
    if (type === 'singletree_step') return this.#meteredStep(json, objectOf(json['part']));
    const events = this.#events(json, objectOf(json['part']));
    return events && [...this.#log.begin(stringOf(json['sessionID'])), ...events];
  }

  readText(text: string): Events | undefined {
    const line = readLogLine(text);
    if (line) return this.#log.read(line);
    // The tool tells that it was rejected, too.
    return text.includes('permission requested: ') && text.endsWith('; auto-rejecting') ? [] : undefined;
  }

  #events(json: JsonObject, part: JsonObject): Events | undefined {
    switch (json['type']) {
      case 'singletree_meter':
        this.#log.metered();
        return [];
      case 'step_start':
        return this.#stepStart(part);
      case 'reasoning':
        return [];
      case 'text':
        return this.#text(part);
      case 'tool_use':
        return this.#toolUse(part, objectOf(part['state']));
      case 'step_finish':
        return this.#stepFinish(part);
      case 'error':
        return this.#error(objectOf(json['error']));
      default:
        return undefined;
    }
  }

  /** What our own plugin in the CLI tells of a call in any session, before the CLI prints it, or instead. */
  #meteredStep(json: JsonObject, part: JsonObject): Events {
    const [session, callId] = [stringOf(json['sessionID']), stringOf(part['messageID'])];
    if (session === undefined || callId === undefined) return [];
    const isMain = this.#log.main === undefined || session === this.#log.main;
    const call: Call = {
      callId,
      thread: isMain ? 'main' : { subagent: session },
      model: stringOf(json['model']),
      isCompaction: isMain && this.#log.call(callId).isCompaction,
    };
    const told = part['type'] === 'step-finish' ? this.#calls.finish(call, part) : this.#calls.begin(call, part);
    return [...this.#log.begin(session), ...told];
  }

  /** Also told for each time that an answer which broke off is asked for again. An answer is a message; its call has that id. */
  #stepStart(part: JsonObject): Events {
    const callId = stringOf(part['messageID']);
    const { model, isCompaction } = this.#log.call(callId);
    const events = this.#brokenOff();
    this.#openCall = callId;
    this.#lastStop = undefined;
    this.#rejected = false;
    this.#compaction = this.#compaction === 'due' || isCompaction ? 'summary' : undefined;
    if (callId === undefined) return events;
    return [...events, ...this.#calls.begin({ callId, thread: 'main', model, isCompaction: this.#compaction === 'summary' }, part)];
  }

  #brokenOff(): Events {
    return this.#openCall === undefined ? [] : [brokenOff];
  }

  /** After a compaction the CLI tells itself to go on: often all that shows of it here, and of what the step before it was. */
  #text(part: JsonObject): Events {
    if (objectOf(part['metadata'])['compaction_continue'] === true) {
      const wasTold = this.#compaction === 'told';
      this.#compaction = 'told';
      if (wasTold) return [];
      const summary = this.#lastStop ? this.#calls.sumsUp(this.#lastStop) : [];
      return [...summary, { kind: 'compaction', trigger: 'auto' }];
    }
    const text = stringOf(part['text']);
    return text === undefined || part['synthetic'] === true || this.#compaction === 'summary'
      ? []
      : [{ kind: 'text', thread: 'main', text }];
  }

  /** Told once, when it is over. */
  #toolUse(part: JsonObject, state: JsonObject): Events {
    const [toolId, tool] = [stringOf(part['callID']), stringOf(part['tool'])];
    if (toolId === undefined || tool === undefined) return [];
    const metadata = objectOf(state['metadata']);
    const { started, finished, failed } = toolEvents(toolId, tool, state);
    const subagent = tool === 'task' ? stringOf(metadata['sessionId']) : undefined;
    return [
      started,
      ...this.#denial(tool, stringOf(state['error'])),
      ...(subagent === undefined ? [] : this.#log.ranSubagent(subagent, stringOf(objectOf(state['input'])['subagent_type']))),
      finished,
      ...(failed ? [] : fileChanges(tool, metadata)),
    ];
  }

  #denial(tool: string, error: string | undefined): Events {
    if (error === undefined) return [];
    const rejected = error.startsWith('The user rejected permission');
    if (rejected) this.#rejected = true;
    if (!rejected && !error.startsWith('The user has specified a rule which prevents')) return [];
    return [{ kind: 'permission.denied', tool, message: clip(error, 200) }];
  }

  #stepFinish(part: JsonObject): Events {
    this.#openCall = undefined;
    const callId = callIdOf(part);
    const { model } = this.#log.call(callId);
    const isCompaction = this.#compaction === 'summary';
    const call = callId === undefined ? [] : this.#calls.finish({ callId, thread: 'main', model, isCompaction }, part);
    if (isCompaction) {
      this.#compaction = 'told';
      return [...call, { kind: 'compaction', trigger: 'auto' }];
    }
    const evidence = stepEnd(part['reason'], this.#rejected);
    if (evidence && callId !== undefined) this.#lastStop = { callId, thread: 'main', model };
    return evidence ? [...call, { kind: 'ended', evidence }] : call;
  }

  /** Where the context was too long, a compaction may follow: a call that takes a minute, and of which nothing is told. */
  #error(error: JsonObject): Events {
    const evidence = failure(error);
    const events = this.#brokenOff();
    this.#openCall = undefined;
    if (evidence.reason !== 'context_exhausted') return [...events, { kind: 'ended', evidence }];
    this.#compaction = 'due';
    return [...events, { kind: 'ended', evidence, pending: 1 }];
  }
}

/** A call has the id of its answer; a step of none has its own. */
function callIdOf(part: JsonObject): string | undefined {
  return stringOf(part['messageID']) ?? stringOf(part['id']);
}
