import { arrayOf, clip, defined, digest, objectOf, stringOf, type HarnessEventBody, type JsonObject } from '@singletree/harness';

type Events = readonly HarnessEventBody[];

/** What an item of `exec --json` means. Undefined for one that is not known. `tools`: those that have been told by now. */
export function itemEvents(item: JsonObject, completed: boolean, tools: Set<string>): Events | undefined {
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
