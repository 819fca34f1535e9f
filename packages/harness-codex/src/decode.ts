import {
  arrayOf,
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
import { failure, statusOf } from './ending.ts';
import { baselineTotal } from './session.ts';
import { tokensSince } from './tokens.ts';

type Events = readonly HarnessEventBody[];

/**
 * `exec --json` of codex 0.150 and later.
 *
 * `turn.completed` is a total over the whole thread, earlier runs of it included, and the only figure there is: calls, model and context
 * window are told nowhere. Sub-agents have threads of their own and are in no figure. A top-level `error` announces a retry or repeats
 * what `turn.failed` says; it ends nothing.
 */
export function createDecoder(source: OutputSource, baseline: Baseline | undefined): Decoder {
  if (source === 'stderr') return silentDecoder();
  const tools = new Set<string>();
  let before = baselineTotal(baseline);
  let delegates = false;

  return lineDecoder(source, (json): Events | undefined => {
    switch (json['type']) {
      case 'thread.started': {
        const sessionId = stringOf(json['thread_id']);
        return sessionId === undefined ? undefined : [{ kind: 'session.started', sessionId }];
      }
      case 'turn.started':
      case 'item.updated':
        return [];
      case 'item.started':
      case 'item.completed': {
        const item = objectOf(json['item']);
        if (item['type'] === 'collab_tool_call') delegates = true;
        return itemEvents(item, json['type'] === 'item.completed', tools);
      }
      case 'error':
        return retry(stringOf(json['message']) ?? 'no reason given');
      case 'turn.completed': {
        const total = json['usage'];
        const ended: HarnessEventBody = { kind: 'ended', evidence: { result: 'completed' } };
        if (!isJsonObject(total)) return [ended];
        const usage: HarnessEventBody = { kind: 'usage.total', byModel: [{ usage: tokensSince(total, before) }] };
        before = total;
        return [usage, ...(delegates ? [uncounted] : []), ended];
      }
      case 'turn.failed':
        return [{ kind: 'ended', evidence: failure(stringOf(objectOf(json['error'])['message']) ?? 'no reason given') }];
      default:
        return undefined;
    }
  });
}

const uncounted: HarnessEventBody = { kind: 'usage.incomplete', reason: 'sub-agents have threads of their own' };

function retry(message: string): Events {
  if (!message.startsWith('Reconnecting')) return [{ kind: 'warning', message: clip(message, 2048) }];
  return [defined({ kind: 'model.retried', reason: clip(message, 2048), status: statusOf(message) })];
}

/** Undefined for an item that is not known. */
function itemEvents(item: JsonObject, completed: boolean, tools: Set<string>): Events | undefined {
  const text = stringOf(item['text']);
  switch (item['type']) {
    case 'agent_message':
      return completed && text !== undefined ? [{ kind: 'text', thread: 'main', text }] : [];
    case 'reasoning':
    case 'todo_list':
      return [];
    case 'error':
      return completed ? [{ kind: 'warning', message: clip(stringOf(item['message']) ?? 'no reason given', 2048) }] : [];
    case 'command_execution':
      return toolEvents(item, 'shell', stringOf(item['command']), completed, tools);
    case 'file_change':
      return [...toolEvents(item, 'apply_patch', undefined, completed, tools), ...(completed ? fileChanges(item) : [])];
    case 'mcp_tool_call':
      return toolEvents(item, [item['server'], item['tool']].map((part) => stringOf(part) ?? '?').join('.'), undefined, completed, tools);
    case 'collab_tool_call':
      return toolEvents(item, `collab.${stringOf(item['tool']) ?? '?'}`, undefined, completed, tools);
    case 'web_search':
      return toolEvents(item, 'web_search', stringOf(item['query']), completed, tools);
    default:
      return undefined;
  }
}

/** An item may be told only once it is completed. */
function toolEvents(item: JsonObject, tool: string, input: string | undefined, completed: boolean, tools: Set<string>): Events {
  const toolId = stringOf(item['id']);
  if (toolId === undefined) return [];
  const summary = input === undefined ? undefined : clip(input.split('\n', 1)[0] ?? '', 200);
  const started: Events = tools.has(toolId) ? [] : [defined({ kind: 'tool.started', thread: 'main', toolId, tool, summary })];
  tools.add(toolId);
  if (!completed) return started;
  return [...started, { kind: 'tool.finished', thread: 'main', toolId, tool, failed: item['status'] === 'failed' }];
}

const changes = { add: 'added', update: 'modified', delete: 'deleted' } as const;

function fileChanges(item: JsonObject): Events {
  if (item['status'] !== 'completed') return [];
  return arrayOf(item['changes']).flatMap((entry): Events => {
    const { path, kind } = objectOf(entry);
    if (typeof path !== 'string' || (kind !== 'add' && kind !== 'update' && kind !== 'delete')) return [];
    return [{ kind: 'file.changed', path, change: changes[kind] }];
  });
}
