import { instantOf, isJsonObject, LineSplitter, objectOf, stringOf, type JsonObject, type TokenUsage } from '@singletree/harness';
import { modelTotals, type ModelTotals } from './ledger.ts';
import { messageTokens, promptOnly } from './tokens.ts';

export interface TranscriptCall {
  readonly id: string;
  readonly model: string | undefined;
  readonly usage: TokenUsage;
  /** False where its answer had not ended: the output's tokens are a placeholder then, and left out. */
  readonly isFinal: boolean;
  /** Milliseconds since 1970. */
  readonly at: number | undefined;
}

export interface Transcript {
  /** Each model call once. Calls that wrote a summary are not in it. */
  readonly calls: readonly TranscriptCall[];
  /** The running totals by model of the newest `cost-state` line: written when the CLI ends in order, SIGTERM included. */
  readonly savedTotals: ModelTotals | undefined;
  /** The costs in them are guesses: one of the models is not known to the CLI, and that line does not say which. */
  readonly savedCostsAreGuesses: boolean;
  /** A request was sent and its answer is not here: what it used is not known. */
  readonly callUnderWay: boolean;
  /** The compactions of the context, by the CLI's own id. */
  readonly compactions: readonly { readonly id: string; readonly at: number | undefined }[];
}

/** Reads a session file, or the end of one: JSON lines of which the first and the last may be cut. */
export function readTranscript(bytes: Uint8Array): Transcript {
  const calls = new Map<string, TranscriptCall>();
  const compactions: { id: string; at: number | undefined }[] = [];
  let savedTotals: ModelTotals | undefined;
  let savedCostsAreGuesses = false;
  let callUnderWay = false;
  let tellsRequests = false;
  for (const json of jsonLines(bytes)) {
    switch (json['type']) {
      case 'assistant': {
        const call = callOf(objectOf(json['message']), timeOf(json));
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
      case 'system': {
        const id = stringOf(json['uuid']);
        if (json['subtype'] === 'compact_boundary' && id !== undefined) compactions.push({ id, at: timeOf(json) });
        break;
      }
      case 'cost-state':
        savedTotals = modelTotals(json['modelUsage']);
        savedCostsAreGuesses = json['hasUnknownModelCost'] === true;
        break;
    }
  }
  return { calls: [...calls.values()], savedTotals, savedCostsAreGuesses, callUnderWay, compactions };
}

function callOf(message: JsonObject, at: number | undefined): TranscriptCall | undefined {
  const [id, model] = [stringOf(message['id']), stringOf(message['model'])];
  if (id === undefined || model === '<synthetic>') return undefined;
  const isFinal = stringOf(message['stop_reason']) !== undefined;
  const usage = messageTokens(objectOf(message['usage']));
  return { id, model, usage: isFinal ? usage : promptOnly(usage), isFinal, at };
}

function timeOf(json: JsonObject): number | undefined {
  return instantOf(Date.parse(stringOf(json['timestamp']) ?? ''));
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
