import type { TaskCompletionEvent } from '@singletree/sdk';
import type { ServedCall, Usage } from '@singletree/testing';

/** The kinds in which both sides count, disjoint: no token is in two of them. */
export const kinds = ['input', 'cacheRead', 'cacheWrite', 'output'] as const;
export type Kind = (typeof kinds)[number];

/** One model call as the model server says that it served it, with its number from 1. */
export interface ModelCall {
  readonly step: number;
  readonly usage: {
    readonly input_tokens: number;
    readonly cache_read_input_tokens: number;
    readonly cache_creation_input_tokens: number;
    readonly output_tokens: number;
  };
}

/**
 * Makes the demo falsify one figure of what was served, after the fact and on our side only. For the test that it then says so: a
 * comparison that could not come out unequal would prove nothing.
 */
export const alteringVariable = 'SINGLETREE_TEST_DEMO_ALTER';

export function callsOf(served: readonly ServedCall[], altered: boolean): ModelCall[] {
  return served.map(({ usage }, index) => {
    const call = { step: index + 1, usage: fourKinds(usage) };
    return altered && index === 0 ? { ...call, usage: { ...call.usage, output_tokens: call.usage.output_tokens + 1 } } : call;
  });
}

function fourKinds(usage: Usage): ModelCall['usage'] {
  return {
    input_tokens: usage.input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
    cache_creation_input_tokens: usage.cache_creation_input_tokens ?? 0,
    output_tokens: usage.output_tokens + (usage.reasoning_output_tokens ?? 0),
  };
}

export interface Comparison {
  readonly served: Readonly<Record<Kind, number>>;
  /** A kind that the event does not know is absent. */
  readonly told: Readonly<Partial<Record<Kind, number>>>;
  readonly unequal: readonly Kind[];
}

/** Holds what was served against what the completion event says, kind by kind. What is absent there is not equal to anything. */
export function compare(calls: readonly ModelCall[], { usage }: Pick<TaskCompletionEvent, 'usage'>): Comparison {
  const sum = (kind: keyof ModelCall['usage']): number => calls.reduce((total, call) => total + call.usage[kind], 0);
  const served = {
    input: sum('input_tokens'),
    cacheRead: sum('cache_read_input_tokens'),
    cacheWrite: sum('cache_creation_input_tokens'),
    output: sum('output_tokens'),
  };
  const output = usage?.outputTokens === undefined ? undefined : usage.outputTokens + (usage.reasoningOutputTokens ?? 0);
  const told = {
    ...(usage?.uncachedInputTokens === undefined ? {} : { input: usage.uncachedInputTokens }),
    ...(usage?.cacheReadInputTokens === undefined ? {} : { cacheRead: usage.cacheReadInputTokens }),
    ...(usage?.cacheWriteInputTokens === undefined ? {} : { cacheWrite: usage.cacheWriteInputTokens }),
    ...(output === undefined ? {} : { output }),
  };
  return { served, told, unequal: kinds.filter((kind) => served[kind] !== told[kind]) };
}
