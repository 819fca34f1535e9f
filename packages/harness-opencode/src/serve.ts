import { defined, objectOf, stringOf, type EndEvidence, type HarnessEventBody, type JsonObject, type Thread } from '@singletree/harness';
import { Calls, type Call } from './calls.ts';
import { failure, stepEnd } from './ending.ts';
import { fileChanges, toolEvents } from './tools.ts';

type Events = readonly HarnessEventBody[];

/** Messages that tell nothing of use here. */
const silent: ReadonlySet<string> = new Set([
  'catalog.updated',
  'file.edited',
  'integration.updated',
  'message.part.delta',
  'plugin.added',
  'reference.updated',
  'server.connected',
  'server.heartbeat',
  'session.diff',
  'session.updated',
  'todo.updated',
]);

/** What `opencode serve` sends on `/event`: `{ type, properties }` of every session. Singletree does not run it; recordings of it can be read. */
export class ServeEvents {
  readonly #calls = new Calls();
  #main: string | undefined;
  #version: string | undefined;
  #model: string | undefined;
  #evidence: EndEvidence | undefined;
  /** Of the models' messages, by id. */
  readonly #models = new Map<string, string | undefined>();
  /** Those that sum up for a compaction of the main session. */
  readonly #summaries = new Set<string>();
  readonly #told = new Set<string>();

  /** Undefined for a message that is not known. */
  read(type: string, properties: JsonObject): Events | undefined {
    const session = stringOf(properties['sessionID']);
    switch (type) {
      case 'session.created':
        return this.#created(objectOf(properties['info']));
      case 'message.updated':
        return this.#message(objectOf(properties['info']));
      case 'message.part.updated':
        return this.#part(objectOf(properties['part']));
      case 'session.compacted':
        return session === this.#main ? [{ kind: 'compaction' }] : [];
      case 'session.status':
        return status(objectOf(properties['status']));
      case 'session.error':
        if (session === this.#main) this.#evidence = failure(objectOf(properties['error']));
        return [];
      case 'session.idle':
        if (session === undefined) return [];
        if (session !== this.#main) return [{ kind: 'subagent.ended', subagent: session }];
        return this.#evidence ? [{ kind: 'ended', evidence: this.#evidence }] : [];
      default:
        return silent.has(type) ? [] : undefined;
    }
  }

  #created(info: JsonObject): Events {
    const id = stringOf(info['id']);
    if (id === undefined) return [];
    if (info['parentID'] !== undefined) return [defined({ kind: 'subagent.started', subagent: id, name: stringOf(info['agent']) })];
    if (this.#main !== undefined) return [];
    this.#main = id;
    this.#version = stringOf(info['version']);
    return [this.#started(id)];
  }

  #message(info: JsonObject): Events {
    const [id, session] = [stringOf(info['id']), stringOf(info['sessionID'])];
    if (id === undefined || session === undefined || info['role'] !== 'assistant') return [];
    const [provider, name] = [stringOf(info['providerID']), stringOf(info['modelID'])];
    const model = provider === undefined || name === undefined ? undefined : `${provider}/${name}`;
    this.#models.set(id, model);
    if (session === this.#main && info['summary'] === true) this.#summaries.add(id);
    if (session !== this.#main || info['summary'] === true || model === undefined || model === this.#model) return [];
    this.#model = model;
    return [this.#started(session)];
  }

  #part(part: JsonObject): Events {
    const [id, message, session] = [stringOf(part['id']), stringOf(part['messageID']), stringOf(part['sessionID'])];
    if (id === undefined || message === undefined || session === undefined || !this.#models.has(message)) return [];
    const thread: Thread = session === this.#main ? 'main' : { subagent: session };
    switch (part['type']) {
      case 'step-start':
        return this.#calls.begin(this.#call(message, thread), part);
      case 'step-finish': {
        if (thread === 'main') this.#evidence = stepEnd(part['reason'], false);
        return this.#calls.finish(this.#call(message, thread), part);
      }
      case 'tool':
        return this.#tool(id, thread, part);
      case 'text':
        return this.#text(id, thread, part);
      default:
        return [];
    }
  }

  #call(callId: string, thread: Thread): Call {
    return { callId, thread, model: this.#models.get(callId), isCompaction: this.#summaries.has(callId) };
  }

  #tool(id: string, thread: Thread, part: JsonObject): Events {
    const [toolId, tool, state] = [stringOf(part['callID']), stringOf(part['tool']), objectOf(part['state'])];
    const isOver = state['status'] === 'completed' || state['status'] === 'error';
    if (toolId === undefined || tool === undefined || !isOver || this.#isTold(id)) return [];
    const { started, finished, failed } = toolEvents(toolId, tool, state, thread);
    return [started, finished, ...(failed ? [] : fileChanges(tool, objectOf(state['metadata'])))];
  }

  #text(id: string, thread: Thread, part: JsonObject): Events {
    const text = stringOf(part['text']);
    const isWhole = objectOf(part['time'])['end'] !== undefined;
    return text === undefined || !isWhole || this.#isTold(id) ? [] : [{ kind: 'text', thread, text }];
  }

  /** Parts are told again with each change of theirs. */
  #isTold(id: string): boolean {
    const was = this.#told.has(id);
    this.#told.add(id);
    return was;
  }

  #started(sessionId: string): HarnessEventBody {
    return defined({ kind: 'session.started', sessionId, model: this.#model, harnessVersion: this.#version });
  }
}

function status(told: JsonObject): Events {
  return told['type'] === 'retry' ? [{ kind: 'model.retried', reason: stringOf(told['message']) ?? 'no reason given' }] : [];
}
