import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { countOf } from '@singletree/harness';
import {
  EvidenceResult,
  EvidenceSchema,
  FailureReason,
  FailureSchema,
  Provenance,
  StopKind,
  StopSchema,
  UsageSchema,
  type Evidence,
  type Failure,
  type Stop,
  type Usage,
} from '@singletree/protocol';
import type * as domain from '../../task/task.ts';
import type { TaskUsage } from '../../task/usage.ts';
import { enumOf } from '../words.ts';

/** A field that is there only if its value is known. */
export function opt<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T };
export function opt<K extends string, T, R>(key: K, value: T | undefined, convert: (value: T) => R): { [key in K]?: R };
export function opt(key: string, value: unknown, convert: (value: unknown) => unknown = (same) => same): Record<string, unknown> {
  return value === undefined ? {} : { [key]: convert(value) };
}

/** A count that the wire can carry; what is none, because sums grew beyond all sense, is as good as unknown. */
export function count<K extends string>(key: K, value: number | undefined): { [key in K]?: bigint } {
  return opt(key, countOf(value), BigInt);
}

export function usageToProto(usage: TaskUsage): Usage {
  return create(UsageSchema, {
    ...count('uncachedInputTokens', usage.uncachedInputTokens),
    ...count('cacheReadInputTokens', usage.cacheReadInputTokens),
    ...count('cacheWriteInputTokens', usage.cacheWriteInputTokens),
    ...count('cacheWrite1hInputTokens', usage.cacheWrite1hInputTokens),
    ...count('outputTokens', usage.outputTokens),
    ...count('reasoningOutputTokens', usage.reasoningOutputTokens),
    provenance: enumOf(Provenance, usage.provenance),
    lowerBound: usage.lowerBound,
  });
}

export function failureToProto(failure: domain.Failure): Failure {
  return create(FailureSchema, {
    reason: enumOf(FailureReason, failure.reason),
    message: failure.message,
    ...opt('scope', failure.scope),
    ...opt('by', failure.by),
    ...opt('why', failure.why),
  });
}

export function evidenceToProto(evidence: domain.Evidence): Evidence {
  return create(EvidenceSchema, {
    result: enumOf(EvidenceResult, evidence.result),
    ...opt('reason', evidence.reason, (word) => enumOf(FailureReason, word)),
    ...opt('message', evidence.message),
  });
}

export function stopToProto(stop: domain.Stop): Stop {
  const { kind, by, why, scope, at } = stop;
  return create(StopSchema, { kind: stopKind(kind), by, ...opt('why', why), ...opt('scope', scope), at: timestampFromMs(at) });
}

export function stopKind(kind: domain.StopKind | domain.LimitStop): StopKind {
  return kind === 'kill' ? StopKind.KILL_SWITCH : enumOf(StopKind, kind);
}
