import { clip, defined, digest, stringOf, type HarnessEventBody, type JsonObject, type Thread } from '@singletree/harness';

/** What people want to know of a tool call, by the names that the CLI's tools give their inputs. */
const tellingInputs = ['command', 'file_path', 'notebook_path', 'pattern', 'url', 'query', 'description', 'prompt'];

/** One line, at most 200 bytes. */
export function toolSummary(input: JsonObject): string | undefined {
  const text = tellingInputs.map((name) => stringOf(input[name])).find((value) => value !== undefined && value.trim() !== '');
  return text === undefined ? undefined : clip(text.trim().split('\n', 1)[0] ?? '', 200);
}

const editingTools: ReadonlySet<string> = new Set(['Write', 'Edit', 'MultiEdit', 'NotebookEdit']);

export interface ToolResult {
  readonly thread: Thread;
  readonly toolId: string;
  readonly tool: string | undefined;
  readonly failed: boolean;
  /** The CLI's structured result; for a failed call it is a text instead. */
  readonly output: JsonObject;
  /** What the model was told. */
  readonly content: unknown;
}

export function toolResultEvents({ thread, toolId, tool, failed, output, content }: ToolResult): HarnessEventBody[] {
  const finished: HarnessEventBody = defined({ kind: 'tool.finished', thread, toolId, tool, failed, outputDigest: digest(content) });
  const path = stringOf(output['filePath']) ?? stringOf(output['notebook_path']);
  if (failed || path === undefined || tool === undefined || !editingTools.has(tool)) return [finished];
  return [finished, { kind: 'file.changed', path, change: output['type'] === 'create' ? 'added' : 'modified' }];
}
