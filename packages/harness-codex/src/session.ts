import { isJsonObject, LineSplitter, objectOf, type Baseline, type JsonObject, type SessionFile } from '@singletree/harness';

/** The thread's rollout, in a folder for the day on which it began. Resumes append to it. */
export function sessionFiles(sessionId: string): readonly string[] {
  return [`.codex/sessions/*/*/*/rollout-*-${sessionId}.jsonl`];
}

/** The thread's total as it stands: the totals of a resumed run begin with it. Undefined where there is no rollout to go on in. */
export function baselineOf(sessionId: string, files: readonly SessionFile[]): Baseline | undefined {
  const rollout = files.find((file) => file.path.endsWith(`-${sessionId}.jsonl`));
  return rollout && { version: 1, data: { total: lastTotal(rollout.bytes) } };
}

export function baselineTotal(baseline: Baseline | undefined): JsonObject {
  return objectOf(baseline?.data['total']);
}

function lastTotal(rollout: Uint8Array): JsonObject {
  let total: JsonObject = {};
  for (const { text } of new LineSplitter().push(rollout)) {
    if (text?.includes('"token_count"') !== true) continue;
    const payload = objectOf(objectOf(parse(text))['payload']);
    const told = objectOf(payload['info'])['total_token_usage'];
    if (payload['type'] === 'token_count' && isJsonObject(told)) total = told;
  }
  return total;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the line that was being written when the CLI was killed
  }
}
