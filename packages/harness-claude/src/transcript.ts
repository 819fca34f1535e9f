import { isJsonObject, LineSplitter, objectOf, stringOf, type JsonObject, type TokenUsage } from '@singletree/harness';
import { modelTotals, type ModelTotals } from './ledger.ts';
import { messageTokens } from './tokens.ts';

export interface TranscriptCall {
  readonly id: string;
  readonly model: string | undefined;
  readonly usage: TokenUsage;
}

export interface Transcript {
  /** Each model call once, with its final figures. Calls that wrote a summary are not in it. */
  readonly calls: readonly TranscriptCall[];
  /** The running totals by model of the newest `cost-state` line: written when the CLI ends in order, SIGTERM included. */
  readonly savedTotals: ModelTotals | undefined;
  /** A request was sent and its answer is not here: what it used is not known. */
  readonly callUnderWay: boolean;
}

/** Reads a session file, or the end of one: JSON lines of which the first and the last may be cut. */
export function readTranscript(bytes: Uint8Array): Transcript {
  const calls = new Map<string, TranscriptCall>();
  let savedTotals: ModelTotals | undefined;
  let callUnderWay = false;
  let tellsRequests = false;
  for (const json of jsonLines(bytes)) {
    switch (json['type']) {
      case 'assistant': {
        const call = callOf(objectOf(json['message']));
        if (call) calls.set(call.id, call);
        callUnderWay = false;
        break;
      }
      case 'api-request':
        tellsRequests = true;
        callUnderWay = true;
        break;
      case 'user':
        // Older versions write no line for a request: what a user's line asks is as good as sent.
        if (!tellsRequests) callUnderWay = true;
        break;
      case 'cost-state':
        savedTotals = modelTotals(json['modelUsage']);
        break;
    }
  }
  return { calls: [...calls.values()], savedTotals, callUnderWay };
}

function callOf(message: JsonObject): TranscriptCall | undefined {
  const [id, model] = [stringOf(message['id']), stringOf(message['model'])];
  if (id === undefined || model === '<synthetic>') return undefined;
  return { id, model, usage: messageTokens(objectOf(message['usage'])) };
}

function* jsonLines(bytes: Uint8Array): Generator<JsonObject> {
  const splitter = new LineSplitter();
  const lines = splitter.push(bytes);
  const last = splitter.end();
  for (const line of last ? [...lines, last] : lines) {
    const json = parse(line.text);
    if (json) yield json;
  }
}

function parse(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined; // the line that the CLI was writing when it was killed
  }
}
