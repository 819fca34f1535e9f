import {
  addTokens,
  defined,
  objectOf,
  stringOf,
  type HarnessEventBody,
  type JsonObject,
  type Thread,
  type TokenUsage,
} from '@singletree/harness';
import { isAll, Rounding, stepTokens } from './tokens.ts';

type Events = readonly HarnessEventBody[];

export interface Call {
  /** The id of its answer. */
  readonly callId: string;
  readonly thread: Thread;
  /** As `provider/model`. */
  readonly model: string | undefined;
  /** It writes the summary of a compaction. */
  readonly isCompaction: boolean;
}

interface Told {
  readonly usage: TokenUsage;
  readonly isAll: boolean;
  readonly costUsdMicros: number | undefined;
}

/** The calls of a run, each told again whenever more of it is known. Our plugin in the CLI and the CLI itself tell the same parts of answers. */
export class Calls {
  readonly #rounding = new Rounding();
  readonly #parts = new Set<string>();
  readonly #told = new Map<string, Told>();

  /** Its answer begins: for the first time, or once more after it broke off. */
  begin(call: Call, part: JsonObject): Events {
    if (this.#isTold(call, part)) return [];
    return [event(call, this.#told.get(call.callId)?.usage ?? {}, { provisional: true })];
  }

  /** A step of its answer has come to its end. */
  finish(call: Call, part: JsonObject): Events {
    if (this.#isTold(call, part)) return [];
    const told = this.#add(call.callId, objectOf(part['tokens']), part['cost']);
    const { usage, costUsdMicros } = told;
    const goesOn = part['reason'] === 'tool-calls' ? (true as const) : undefined;
    return [event(call, usage, { provisional: told.isAll ? undefined : true, goesOn, costUsdMicros })];
  }

  /** What followed has shown what the answer was. */
  sumsUp(call: Omit<Call, 'isCompaction'>): Events {
    const told = this.#told.get(call.callId);
    if (!told) return [];
    const { usage, isAll, costUsdMicros } = told;
    return [event({ ...call, isCompaction: true }, usage, { provisional: isAll ? undefined : true, costUsdMicros })];
  }

  #isTold({ callId }: Call, part: JsonObject): boolean {
    const id = stringOf(part['id']);
    if (id === undefined) return false;
    const key = `${callId} ${id}`;
    const was = this.#parts.has(key);
    this.#parts.add(key);
    return was;
  }

  #add(callId: string, tokens: JsonObject, cost: unknown): Told {
    const usage = stepTokens(tokens);
    const isUntold = Object.keys(usage).length === 0;
    const costUsdMicros = isUntold ? undefined : this.#rounding.apply(cost);
    const step: Told = { usage, isAll: !isUntold && isAll(tokens), costUsdMicros };
    const before = this.#told.get(callId);
    const told = before ? added(before, step) : step;
    this.#told.set(callId, told);
    return told;
  }
}

function added(left: Told, right: Told): Told {
  const costs = [left.costUsdMicros, right.costUsdMicros].filter((cost) => cost !== undefined);
  return {
    usage: addTokens(left.usage, right.usage),
    isAll: left.isAll && right.isAll,
    costUsdMicros: costs.length === 2 ? costs.reduce((sum, cost) => sum + cost, 0) : undefined,
  };
}

function event(
  { isCompaction, ...call }: Call,
  usage: TokenUsage,
  more: { readonly provisional: true | undefined; readonly goesOn?: true | undefined; readonly costUsdMicros?: number | undefined },
): HarnessEventBody {
  return defined({ kind: 'model.call', ...call, usage, ...more, compaction: isCompaction ? true : undefined });
}
