import {
  clip,
  defined,
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
} from '@singletree/harness';
import { AppServer } from './app-server.ts';
import { baselineTotal, callsBefore } from './baseline.ts';
import { brokeOff, failure, statusOf } from './ending.ts';
import { brokenOff, uncountedSubagents } from './incomplete.ts';
import { itemEvents } from './items.ts';
import { readLogLine } from './log.ts';
import { Telemetry } from './telemetry.ts';
import { tokensSince } from './tokens.ts';

type Events = readonly HarnessEventBody[];

/**
 * `exec --json` of codex 0.150 and later, and between its lines what the CLI logs on standard error.
 *
 * `turn.completed` is a total over the whole thread, earlier runs of it included and sub-agents left out; the log tells each call of every
 * thread, and then counts alone. A top-level `error` announces a retry or repeats what `turn.failed` says; it ends nothing. Messages of `app-server`, which have a
 * method or a result, are read too.
 */
export function createDecoder(source: OutputSource, baseline: Baseline | undefined): Decoder {
  // Both go into one log.
  if (source === 'stderr') return silentDecoder();
  const state = new Exec(baseline);
  return lineDecoder(
    source,
    (json) => state.read(json),
    (text) => state.readText(text),
  );
}

class Exec {
  readonly #telemetry: Telemetry;
  readonly #appServer = new AppServer();
  readonly #tools = new Set<string>();
  /** The running total up to now, and the thread that it is of. */
  #before: JsonObject;
  #thread: string | undefined;
  #delegates = false;
  #brokeOff = false;

  constructor(baseline: Baseline | undefined) {
    this.#telemetry = new Telemetry((threadId) => callsBefore(baseline, threadId));
    this.#before = baselineTotal(baseline);
  }

  read(json: JsonObject): Events | undefined {
    if ('method' in json || 'result' in json) return this.#appServer.read(json);
    switch (json['type']) {
      case 'thread.started': {
        const sessionId = stringOf(json['thread_id']);
        if (sessionId === undefined) return undefined;
        // Recordings may stand one behind the other: another thread counts from the beginning.
        if (this.#thread !== undefined && this.#thread !== sessionId) this.#before = {};
        this.#thread = sessionId;
        const { model, version } = this.#telemetry.begin(sessionId);
        return [defined({ kind: 'session.started', sessionId, model, harnessVersion: version })];
      }
      case 'turn.started':
      case 'item.updated':
        return [];
      case 'item.started':
      case 'item.completed': {
        const item = objectOf(json['item']);
        if (item['type'] === 'collab_tool_call') this.#delegates = true;
        return itemEvents(item, json['type'] === 'item.completed', this.#tools);
      }
      case 'error':
        return this.#retry(stringOf(json['message']) ?? 'no reason given');
      case 'turn.completed':
        return [...this.#telemetry.end(), ...this.#total(json['usage']), { kind: 'ended', evidence: { result: 'completed' } }];
      case 'turn.failed': {
        const message = stringOf(objectOf(json['error'])['message']) ?? 'no reason given';
        this.#brokeOff ||= brokeOff(message);
        return [...this.#missing(), { kind: 'ended', evidence: failure(message, this.#telemetry.refusal) }];
      }
      default:
        return undefined;
    }
  }

  readText(text: string): Events | undefined {
    if (/^Reading (additional input|prompt) from stdin\.\.\.$/.test(text)) return [];
    const [, warning] = /^warning: (.*)$/i.exec(text) ?? [];
    if (warning !== undefined) return [{ kind: 'warning', message: clip(warning, 2048) }];
    const line = readLogLine(text);
    if (line === undefined) return undefined;
    if (line.level !== 'ERROR' && line.level !== 'WARN') return this.#telemetry.read(line);
    const [, rejection] = /^error=(patch rejected: .*)$/.exec(line.text) ?? [];
    if (rejection !== undefined) return [{ kind: 'permission.denied', tool: 'apply_patch', message: clip(rejection, 2048) }];
    return [{ kind: 'warning', message: clip(`${line.target}: ${line.text}`, 2048) }];
  }

  #retry(message: string): Events {
    if (!message.startsWith('Reconnecting')) return [{ kind: 'warning', message: clip(message, 2048) }];
    const retried = defined({ kind: 'model.retried', reason: clip(message, 2048), status: statusOf(message) });
    if (!brokeOff(message)) return [retried];
    this.#brokeOff = true;
    return [retried, brokenOff];
  }

  /** Only where the log does not tell the calls: a total holds those before a resume or fork too, and not all that compact a context. */
  #total(usage: unknown): Events {
    if (!isJsonObject(usage) || this.#telemetry.counts) return this.#missing();
    const tokens = tokensSince(usage, this.#before);
    if (Object.keys(tokens).length === 0) return this.#missing();
    this.#before = usage;
    return [{ kind: 'usage.total', byModel: [defined({ model: this.#telemetry.model, usage: tokens })] }, ...this.#missing()];
  }

  /** What no figure holds. */
  #missing(): Events {
    return [
      ...(this.#delegates && !this.#telemetry.hasSeenSubagents ? [uncountedSubagents] : []),
      ...(this.#brokeOff || this.#telemetry.hasBrokenOff ? [brokenOff] : []),
    ];
  }
}
