import {
  arrayOf,
  clip,
  defined,
  digest,
  entryOf,
  objectOf,
  stringOf,
  type HarnessEventBody,
  type JsonObject,
  type Thread,
} from '@singletree/harness';

interface ToolEvents {
  readonly started: HarnessEventBody;
  readonly finished: HarnessEventBody;
  readonly failed: boolean;
}

/** A command is `completed` whatever its exit code is. */
export function toolEvents(toolId: string, tool: string, state: JsonObject, thread: Thread = 'main'): ToolEvents {
  const exit = objectOf(state['metadata'])['exit'];
  const failed = state['status'] === 'error' || (typeof exit === 'number' && exit !== 0);
  const title = stringOf(state['title']);
  const summary = title === undefined || title === '' ? undefined : clip(title.split('\n', 1)[0] ?? '', 200);
  return {
    started: defined({ kind: 'tool.started', thread, toolId, tool, summary, inputDigest: digest(state['input']) }),
    finished: defined({
      kind: 'tool.finished',
      thread,
      toolId,
      tool,
      failed,
      outputDigest: digest(state['output'] ?? state['error']),
    }),
    failed,
  };
}

const patches: Readonly<Record<string, 'added' | 'modified' | 'deleted'>> = {
  add: 'added',
  update: 'modified',
  move: 'modified',
  delete: 'deleted',
};

export function fileChanges(tool: string, metadata: JsonObject): readonly HarnessEventBody[] {
  if (tool === 'apply_patch') {
    return arrayOf(metadata['files']).flatMap((entry): HarnessEventBody[] => {
      const { filePath, movePath, type } = objectOf(entry);
      const path = stringOf(movePath) ?? stringOf(filePath);
      const change = entryOf(patches, type);
      return path === undefined || change === undefined ? [] : [{ kind: 'file.changed', path, change }];
    });
  }
  const path = stringOf(metadata['filepath']) ?? stringOf(objectOf(metadata['filediff'])['file']);
  if (path === undefined || (tool !== 'write' && tool !== 'edit')) return [];
  return [{ kind: 'file.changed', path, change: metadata['exists'] === false ? 'added' : 'modified' }];
}
