import {
  addByModel,
  amountOf,
  arrayOf,
  clip,
  countOf,
  defined,
  digest,
  httpStatusOf,
  instantOf,
  isJsonObject,
  lineDecoder,
  objectOf,
  silentDecoder,
  stringOf,
  type Baseline,
  type Decoder,
  type HarnessEventBody,
  type JsonObject,
  type OutputSource,
  type Thread,
} from '@singletree/harness';
import { baselineTotals } from './baseline.ts';
import { endEvidence } from './ending.ts';
import { answerBrokeOff, compactionBegan } from './incomplete.ts';
import { Ledger } from './ledger.ts';
import { silentSubtypes, silentTypes } from './silent.ts';
import { Span } from './span.ts';
import { Stream } from './stream.ts';
import { callEvent, messageTokens, promptOnly } from './tokens.ts';
import { toolResultEvents, toolSummary } from './tools.ts';

type Events = readonly HarnessEventBody[];

/**
 * `-p --output-format stream-json --verbose` of claude 2.1.197 and later, with and without `--include-partial-messages`.
 *
 * One message of the model comes as several `assistant` lines, one a content block, with the prompt's tokens right and the output's only a
 * placeholder. The true figures are told where the message ends, if partial messages are told (never those of sub-agents), and for all that was
 * used in the totals by model of the `result` lines. There may be several of those: a background task that ends wakes the agent again.
 * The process is done when it exits, not at its first `result`.
 */
export function createDecoder(source: OutputSource, baseline: Baseline | undefined): Decoder {
  if (source === 'stderr') return silentDecoder();
  const reader = new StreamReader(new Ledger(baselineTotals(baseline)));
  return lineDecoder(source, (json) => reader.read(json));
}

class StreamReader {
  readonly #ledger: Ledger;
  readonly #calls = new Set<string>();
  /** Tools under way, by id. */
  readonly #tools = new Map<string, string>();
  readonly #denied = new Set<string>();
  /** Sub-agents that have begun, and whether they work still. */
  readonly #subagents = new Map<string, boolean>();
  /** Commands that go on in the background, by the CLI's id. */
  readonly #background = new Set<string>();
  readonly #span = new Span();
  readonly #stream = new Stream(this.#span);
  #model: string | undefined;
  #calledModel: string | undefined;
  #apiError: string | undefined;
  #interrupted = false;
  /** An answer has broken off since the CLI last tried something again. */
  #brokeOff = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Undefined for a line that is not known. */
  read(json: JsonObject): Events | undefined {
    switch (json['type']) {
      case 'system':
        return this.#system(json);
      case 'assistant':
        return this.#assistant(json);
      case 'user':
        return this.#user(json);
      case 'result':
        return this.#result(json);
      case 'stream_event':
        return this.#streamEvent(json);
      case 'rate_limit_event':
        return rateLimit(objectOf(json['rate_limit_info']));
      default:
        return silentTypes.has(stringOf(json['type']) ?? '') ? [] : undefined;
    }
  }

  #system(json: JsonObject): Events | undefined {
    switch (json['subtype']) {
      case 'init':
        return this.#init(json);
      case 'api_retry':
        return this.#retry(json);
      case 'status':
        if (json['status'] === 'compacting') {
          this.#span.untold();
          return [compactionBegan];
        }
        if (json['compact_result'] === 'failed')
          return [{ kind: 'warning', message: `compaction failed: ${stringOf(json['compact_error']) ?? 'no reason given'}` }];
        return [];
      case 'compact_boundary':
        return [compaction(objectOf(json['compact_metadata']))];
      case 'permission_denied':
        return this.#permissionDenied(json, stringOf(json['message']));
      case 'task_started':
        if (json['task_type'] === 'local_agent') return this.#subagentSeen(stringOf(json['tool_use_id']), stringOf(json['subagent_type']));
        this.#background.add(stringOf(json['task_id']) ?? '');
        return [];
      case 'task_notification':
        this.#background.delete(stringOf(json['task_id']) ?? '');
        return this.#subagentEnded(stringOf(json['tool_use_id']));
      case 'model_fallback':
        return [{ kind: 'warning', message: stringOf(json['content']) ?? 'the CLI changed to another model' }];
      default:
        return silentSubtypes.has(stringOf(json['subtype']) ?? '') ? [] : undefined;
    }
  }

  /** Comes again with each message that wakes the agent. */
  #init(json: JsonObject): Events | undefined {
    const sessionId = stringOf(json['session_id']);
    if (sessionId === undefined) return undefined;
    this.#model = stringOf(json['model']);
    return [defined({ kind: 'session.started', sessionId, model: this.#model, harnessVersion: stringOf(json['claude_code_version']) })];
  }

  #assistant(json: JsonObject): Events | undefined {
    const message = json['message'];
    if (!isJsonObject(message)) return undefined;
    const thread = threadOf(json);
    const events: HarnessEventBody[] = [...this.#threadSeen(json, thread)];
    if (message['model'] === syntheticModel) return [...events, ...this.#synthetic(json, message)];
    events.push(...this.#call(message, thread));
    for (const block of arrayOf(message['content'])) events.push(...this.#block(objectOf(block), thread));
    return events;
  }

  /** The CLI's own words in the model's place: nothing that the agent said. */
  #synthetic(json: JsonObject, message: JsonObject): Events {
    const error = stringOf(json['error']);
    // Older versions give the code of the error alone.
    if (json['is_api_error_message'] !== true && error === undefined) return [];
    this.#apiError = error;
    const texts = arrayOf(message['content']).flatMap((block) => stringOf(objectOf(block)['text']) ?? []);
    return [{ kind: 'warning', message: clip(texts.join('\n'), 2048) }];
  }

  /** One event a message, although it comes in several lines. */
  #call(message: JsonObject, thread: Thread): Events {
    const callId = stringOf(message['id']);
    if (callId === undefined || this.#calls.has(callId)) return [];
    const usage = messageTokens(objectOf(message['usage']));
    const stopReason = stringOf(message['stop_reason']);
    // Only an answer that did not stream says how it ended in the same line as its blocks.
    const call = callEvent(callId, thread, message, stopReason === undefined ? promptOnly(usage) : usage, stopReason);
    return this.#called(stopReason === undefined ? { ...call, provisional: true } : call);
  }

  #called(call: Extract<HarnessEventBody, { kind: 'model.call' }>): Events {
    this.#calls.add(call.callId);
    this.#span.call(call);
    this.#apiError = undefined;
    if (call.thread === 'main') this.#calledModel = call.model ?? this.#calledModel;
    return [call];
  }

  #block(block: JsonObject, thread: Thread): Events {
    switch (block['type']) {
      case 'text': {
        const text = stringOf(block['text']);
        return text === undefined || text === '' ? [] : [{ kind: 'text', thread, text }];
      }
      case 'tool_use':
      case 'server_tool_use': {
        const [toolId, tool] = [stringOf(block['id']), stringOf(block['name'])];
        if (toolId === undefined || tool === undefined) return [];
        this.#tools.set(toolId, tool);
        const input = objectOf(block['input']);
        return [defined({ kind: 'tool.started', thread, toolId, tool, summary: toolSummary(input), inputDigest: digest(input) })];
      }
      default:
        return [];
    }
  }

  #user(json: JsonObject): Events | undefined {
    const message = json['message'];
    if (!isJsonObject(message)) return undefined;
    const thread = threadOf(json);
    const events: HarnessEventBody[] = [...this.#threadSeen(json, thread)];
    for (const entry of arrayOf(message['content'])) {
      const block = objectOf(entry);
      if (block['type'] === 'tool_result') events.push(...this.#toolResult(json, block, thread));
      else if (stringOf(block['text'])?.startsWith('[Request interrupted by user')) this.#interrupted = true;
    }
    return events;
  }

  #toolResult(json: JsonObject, block: JsonObject, thread: Thread): Events {
    const toolId = stringOf(block['tool_use_id']);
    if (toolId === undefined) return [];
    const tool = this.#tools.get(toolId);
    this.#tools.delete(toolId);
    const output = objectOf(json['tool_use_result']);
    const subagent = output['isAsync'] === true ? [] : this.#subagentEnded(toolId);
    return [
      ...toolResultEvents({ thread, toolId, tool, failed: block['is_error'] === true, output, content: block['content'] }),
      ...subagent,
    ];
  }

  #result(json: JsonObject): Events {
    const denials = arrayOf(json['permission_denials']).flatMap((denial) => this.#permissionDenied(objectOf(denial), undefined));
    const total = this.#total(json);
    const evidence = endEvidence(json, this.#apiError, this.#interrupted);
    this.#interrupted = false;
    const answer = json['structured_output'];
    // Given as the input of a tool, it is no text of any message.
    const structured: Events =
      answer === undefined || answer === null ? [] : [{ kind: 'text', thread: 'main', text: JSON.stringify(answer) }];
    const pending = this.#background.size + [...this.#subagents.values()].filter(Boolean).length;
    return [...structured, ...denials, ...total, { kind: 'ended', evidence, ...(pending > 0 ? { pending } : {}) }];
  }

  #total(json: JsonObject): Events {
    const brokenOff = this.#stream.abandoned();
    const total = this.#ledger.total(json, [this.#model, this.#calledModel]);
    if (!total) return brokenOff;
    const { missing, isOpen } = this.#span.close(total.byModel);
    if ([...this.#subagents.values()].some(Boolean)) this.#span.untold();
    return [...brokenOff, { ...total, byModel: addByModel([...total.byModel, ...missing]) }, ...(isOpen ? [answerBrokeOff] : [])];
  }

  #streamEvent(json: JsonObject): Events {
    return this.#stream.read(json, threadOf(json)).flatMap((event) => {
      this.#brokeOff ||= event === answerBrokeOff;
      return event.kind === 'model.call' ? this.#called(event) : [event];
    });
  }

  /** Without a status the connection failed. What the provider may have counted of an answer that never began, nobody says. */
  #retry(json: JsonObject): Events {
    const brokenOff = this.#stream.abandoned();
    const status = httpStatusOf(json['error_status']);
    if (status === undefined && brokenOff.length === 0 && !this.#brokeOff) this.#span.lose();
    this.#brokeOff = false;
    return [
      ...brokenOff,
      defined({
        kind: 'model.retried',
        reason: stringOf(json['error']) ?? 'unknown',
        status,
        delayMs: amountOf(json['retry_delay_ms']),
      }),
    ];
  }

  #permissionDenied(json: JsonObject, message: string | undefined): Events {
    const [toolId, tool] = [stringOf(json['tool_use_id']), stringOf(json['tool_name'])];
    if (tool === undefined || (toolId !== undefined && this.#denied.has(toolId))) return [];
    if (toolId !== undefined) this.#denied.add(toolId);
    return [defined({ kind: 'permission.denied', tool, message: message === undefined ? undefined : clip(message, 1024) })];
  }

  #threadSeen(json: JsonObject, thread: Thread): Events {
    return thread === 'main' ? [] : this.#subagentSeen(thread.subagent, stringOf(json['subagent_type']));
  }

  #subagentSeen(subagent: string | undefined, name: string | undefined): Events {
    if (subagent === undefined || this.#subagents.has(subagent)) return [];
    this.#subagents.set(subagent, true);
    this.#span.untold();
    return [defined({ kind: 'subagent.started', subagent, name })];
  }

  /** Asked of every tool and background task that ends; most are none. */
  #subagentEnded(subagent: string | undefined): Events {
    if (subagent === undefined || this.#subagents.get(subagent) !== true) return [];
    this.#subagents.set(subagent, false);
    return [{ kind: 'subagent.ended', subagent }];
  }
}

/** The model name of messages that the CLI writes itself, for API failures. */
const syntheticModel = '<synthetic>';

/** Sub-agents go by the id of the tool call that started them: every version prints it. */
function threadOf(json: JsonObject): Thread {
  const parent = stringOf(json['parent_tool_use_id']);
  return parent === undefined ? 'main' : { subagent: parent };
}

function compaction(metadata: JsonObject): HarnessEventBody {
  const trigger = metadata['trigger'];
  return defined({
    kind: 'compaction',
    trigger: trigger === 'auto' || trigger === 'manual' ? trigger : undefined,
    tokensBefore: countOf(metadata['pre_tokens']),
    tokensAfter: countOf(metadata['post_tokens']),
  });
}

/** Comes whenever the figures of a subscription change; only a refusal holds anything up. `resetsAt` is in seconds. */
function rateLimit(info: JsonObject): Events {
  if (info['status'] !== 'rejected') return [];
  return [
    defined({
      kind: 'rate.limited',
      resetsAtMs: instantOf(info['resetsAt'], 1000),
      message: stringOf(info['rateLimitType']),
    }),
  ];
}
