import {
  amountOf,
  clip,
  countOf,
  defined,
  digest,
  lineDecoder,
  objectOf,
  silentDecoder,
  stringOf,
  usesTokens,
  type Decoder,
  type EndEvidence,
  type HarnessEventBody,
  type JsonObject,
  type OutputSource,
  type TokenUsage,
} from '@singletree/harness';
import { failure } from './ending.ts';

type Events = readonly HarnessEventBody[];

/**
 * `run --format json` of opencode 1.18.
 *
 * Nothing says that the run is over: a step that finished with the reason `stop` was the last one, unless a compaction follows and more
 * steps with it. An `error` may be recovered from in the same way. A question of permission that nobody answers ends the run, too.
 */
export function createDecoder(source: OutputSource): Decoder {
  if (source === 'stderr') return silentDecoder();
  const reader = new RunReader();
  return lineDecoder(source, (json) => reader.read(json));
}

class RunReader {
  #sessionId: string | undefined;
  #rejected = false;
  #costUsd = 0;
  #costUsdMicros = 0;

  /** Undefined for a line that is not known. */
  read(json: JsonObject): Events | undefined {
    const events = this.#events(json, objectOf(json['part']));
    const sessionId = stringOf(json['sessionID']);
    if (events === undefined || sessionId === undefined || sessionId === this.#sessionId) return events;
    this.#sessionId = sessionId;
    return [{ kind: 'session.started', sessionId }, ...events];
  }

  #events(json: JsonObject, part: JsonObject): Events | undefined {
    switch (json['type']) {
      case 'step_start':
        this.#rejected = false;
        return [];
      case 'reasoning':
        return [];
      case 'text':
        return textEvents(part);
      case 'tool_use':
        return this.#toolUse(part, objectOf(part['state']));
      case 'step_finish':
        return this.#stepFinish(part);
      case 'error':
        return [this.#error(failure(objectOf(json['error'])))];
      default:
        return undefined;
    }
  }

  /** Where the context was too long, a compaction may follow: a call that takes a minute, and of which nothing is told. */
  #error(evidence: EndEvidence): HarnessEventBody {
    return { kind: 'ended', evidence, ...(evidence.reason === 'context_exhausted' ? { pending: 1 } : {}) };
  }

  /** Told once, when it is over. */
  #toolUse(part: JsonObject, state: JsonObject): Events {
    const [toolId, tool] = [stringOf(part['callID']), stringOf(part['tool'])];
    if (toolId === undefined || tool === undefined) return [];
    const metadata = objectOf(state['metadata']);
    const exit = metadata['exit'];
    const failed = state['status'] === 'error' || (typeof exit === 'number' && exit !== 0);
    const title = stringOf(state['title']);
    const summary = title === undefined || title === '' ? undefined : clip(title.split('\n', 1)[0] ?? '', 200);
    return [
      defined({ kind: 'tool.started', thread: 'main', toolId, tool, summary, inputDigest: digest(state['input']) }),
      ...this.#denial(tool, stringOf(state['error'])),
      ...subagentEvents(tool, metadata, state),
      defined({ kind: 'tool.finished', thread: 'main', toolId, tool, failed, outputDigest: digest(state['output'] ?? state['error']) }),
      ...(failed ? [] : fileChange(tool, metadata)),
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
    const callId = stringOf(part['id']);
    if (callId === undefined) return [];
    const tokens = objectOf(part['tokens']);
    // A provider that sends no usage shows as zeros without a total.
    const usage = tokens['total'] === undefined ? {} : tokensOf(tokens);
    const costUsdMicros = usesTokens(usage) ? this.#micros(amountOf(part['cost'])) : undefined;
    const provisional = Object.keys(usage).length === 0 ? true : undefined;
    return [defined({ kind: 'model.call', callId, thread: 'main', usage, provisional, costUsdMicros }), ...this.#ending(part['reason'])];
  }

  #ending(reason: unknown): Events {
    if (reason === 'stop') return [{ kind: 'ended', evidence: { result: 'completed' } }];
    if (!this.#rejected) return [];
    return [
      {
        kind: 'ended',
        evidence: { result: 'failed', reason: 'permission_denied', message: 'a permission was asked for and nobody could answer' },
      },
    ];
  }

  /** The price table is the configuration's: 0 for tokens that were used means that it holds no price. Rounded once over the run. */
  #micros(costUsd: number | undefined): number | undefined {
    if (costUsd === undefined || costUsd === 0) return undefined;
    this.#costUsd += costUsd;
    const micros = Math.round(this.#costUsd * 1_000_000);
    const difference = micros - this.#costUsdMicros;
    this.#costUsdMicros = micros;
    return difference;
  }
}

/** After a compaction the CLI tells itself to go on, which is all that shows of it here. */
function textEvents(part: JsonObject): Events {
  if (objectOf(part['metadata'])['compaction_continue'] === true) return [{ kind: 'compaction' }];
  const text = stringOf(part['text']);
  return text === undefined || part['synthetic'] === true ? [] : [{ kind: 'text', thread: 'main', text }];
}

function subagentEvents(tool: string, metadata: JsonObject, state: JsonObject): Events {
  const subagent = stringOf(metadata['sessionId']);
  if (tool !== 'task' || subagent === undefined) return [];
  const name = stringOf(objectOf(state['input'])['subagent_type']);
  return [
    defined({ kind: 'subagent.started', subagent, name }),
    { kind: 'usage.incomplete', reason: 'a sub-agent has a session of its own' },
    { kind: 'subagent.ended', subagent },
  ];
}

function fileChange(tool: string, metadata: JsonObject): Events {
  const path = stringOf(metadata['filepath']) ?? stringOf(objectOf(metadata['filediff'])['file']);
  if (path === undefined || (tool !== 'write' && tool !== 'edit')) return [];
  return [{ kind: 'file.changed', path, change: metadata['exists'] === false ? 'added' : 'modified' }];
}

/** Every kind is apart from the others already. */
function tokensOf(tokens: JsonObject): TokenUsage {
  const cache = objectOf(tokens['cache']);
  return defined({
    uncachedInputTokens: countOf(tokens['input']),
    cacheReadInputTokens: countOf(cache['read']),
    cacheWriteInputTokens: countOf(cache['write']),
    outputTokens: countOf(tokens['output']),
    reasoningOutputTokens: countOf(tokens['reasoning']),
  });
}
