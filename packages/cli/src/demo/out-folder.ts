import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { toJson, type TaskCompletionEvent } from '@singletree/sdk';
import type { OtlpRequest } from '@singletree/testing';
import type { ModelCall } from './served.ts';

/** Makes the folder that `--out` names, or takes an empty one. Gives why it cannot be used, for a usage error. */
export function prepareOutFolder(path: string): string | undefined {
  try {
    mkdirSync(path, { recursive: true });
    return readdirSync(path).length === 0
      ? undefined
      : `${resolve(path)} is not empty; name an empty folder or one that does not exist yet`;
  } catch (error) {
    return `${resolve(path)} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export interface Evidence {
  readonly event: TaskCompletionEvent;
  readonly calls: readonly ModelCall[];
  /** In the order in which they came. */
  readonly requests: readonly OtlpRequest[];
}

/** Leaves what both sides said, for whoever wants to check the demo with a program of his own. */
export function leaveEvidence(path: string, { event, calls, requests }: Evidence): void {
  writeFileSync(join(path, 'event.json'), `${JSON.stringify(toJson(event))}\n`);
  writeFileSync(join(path, 'model.jsonl'), jsonLines(calls));
  const otlp = join(path, 'otlp');
  mkdirSync(otlp);
  const index = requests.map(({ path: requestPath, contentType, acknowledged, body }, place) => {
    const file = `${String(place + 1).padStart(3, '0')}.bin`;
    writeFileSync(join(otlp, file), body);
    return { file, path: requestPath, content_type: contentType, acknowledged };
  });
  writeFileSync(join(otlp, 'index.jsonl'), jsonLines(index));
}

function jsonLines(values: readonly object[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}
