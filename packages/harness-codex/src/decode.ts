import {
  arrayOf,
  clip,
  defined,
  digest,
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
      return toolEvents(
        item,
        { tool: 'shell', told: item['command'], input: item['command'], output: [item['exit_code'], item['aggregated_output']] },
        completed,
        tools,
      );
    case 'file_change': // which files, but not what was changed in them: no two are known to be alike
      return [...toolEvents(item, { tool: 'apply_patch' }, completed, tools), ...(completed ? fileChanges(item) : [])];
    case 'mcp_tool_call': {
      const tool = [item['server'], item['tool']].map((part) => stringOf(part) ?? '?').join('.');
      return toolEvents(item, { tool, input: item['arguments'], output: item['result'] ?? item['error'] }, completed, tools);
    }
    case 'collab_tool_call': // waiting for sub-agents again and again is no loop
      return toolEvents(item, { tool: `collab.${stringOf(item['tool']) ?? '?'}` }, completed, tools);
    case 'web_search':
      return toolEvents(item, { tool: 'web_search', told: item['query'], input: item['query'] }, completed, tools);
    default:
      return undefined;
  }
}

interface ToolItem {
  readonly tool: string;
  /** What people want to know of it. */
  readonly told?: unknown;
  /** All that it was given, and all that came of it. */
  readonly input?: unknown;
  readonly output?: unknown;
}

/** An item may be told only once it is completed. */
function toolEvents(item: JsonObject, { tool, told, input, output }: ToolItem, completed: boolean, tools: Set<string>): Events {
  const toolId = stringOf(item['id']);
  if (toolId === undefined) return [];
  const text = stringOf(told);
  const summary = text === undefined ? undefined : clip(text.split('\n', 1)[0] ?? '', 200);
  const started: Events = tools.has(toolId)
    ? []
    : [defined({ kind: 'tool.started', thread: 'main', toolId, tool, summary, inputDigest: digest(input) })];
  tools.add(toolId);
  if (!completed) return started;
  const failed = item['status'] === 'failed';
  return [...started, defined({ kind: 'tool.finished', thread: 'main', toolId, tool, failed, outputDigest: digest(output) })];
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
