import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  ArtifactKind,
  ArtifactSchema,
  Complexity,
  ComplexitySource,
  CostSource,
  Outcome,
  RepoSizeCategory,
  TaskCompletionEventSchema,
  TaskType,
  type Artifact,
  type TaskCompletionEvent,
} from '@singletree/protocol';
import type { CompletionEvent } from '../../task/completion.ts';
import type { FileChange } from '../../task/task.ts';
import { enumOf } from '../words.ts';
import { failureToProto, opt, usageToProto } from './parts.ts';

/** The completion event as clients see it. */
export function completionToProto(event: CompletionEvent, traceId: string): TaskCompletionEvent {
  const { phases } = event;
  return create(TaskCompletionEventSchema, {
    eventId: event.eventId,
    schemaVersion: event.schemaVersion,
    taskId: event.taskId,
    traceId,
    createdAt: timestampFromMs(event.createdAt),
    ...opt('dispatchedAt', event.dispatchedAt, timestampFromMs),
    completedAt: timestampFromMs(event.completedAt),
    ...opt('taskType', event.taskType, (word) => enumOf(TaskType, word)),
    ...opt('complexity', event.complexity, (word) => enumOf(Complexity, word)),
    ...opt('complexitySource', event.complexitySource, (word) => enumOf(ComplexitySource, word)),
    harness: event.harness,
    ...opt('harnessVersion', event.harnessVersion),
    ...opt('requestedModel', event.requestedModel),
    ...opt('model', event.model),
    ...opt('provider', event.provider),
    attemptCount: event.attemptCount,
    ...opt('queueDurationMs', event.queueDurationMs, BigInt),
    ...opt('taskDurationMs', event.taskDurationMs, BigInt),
    ...opt('activeDurationMs', phases?.activeMs, BigInt),
    ...opt('gateDurationMs', phases?.gateMs, BigInt),
    ...opt('backoffDurationMs', phases?.backoffMs, BigInt),
    ...opt('blockedDurationMs', phases?.blockedMs, BigInt),
    ...opt('reviewDurationMs', phases?.reviewMs, BigInt),
    ...opt('estimatedInputTokens', event.estimatedInputTokens, BigInt),
    ...opt('estimatedOutputTokens', event.estimatedOutputTokens, BigInt),
    ...opt('estimatedCostUsdMicros', event.estimatedCostUsdMicros, BigInt),
    ...opt('actualInputTokens', event.actualInputTokens, BigInt),
    ...opt('actualOutputTokens', event.actualOutputTokens, BigInt),
    ...opt('usage', event.usage, usageToProto),
    ...opt('actualCostUsdMicros', event.actualCostUsdMicros, BigInt),
    ...opt('costSource', event.costSource, (word) => enumOf(CostSource, word)),
    costLowerBound: event.costLowerBound ?? false,
    ...opt('priceVersion', event.priceVersion),
    ...opt('qualityGatePassed', event.qualityGatePassed),
    qualityGatesRun: [...event.qualityGatesRun],
    qualityGatesFailed: [...event.qualityGatesFailed],
    qualityGatesErrored: [...event.qualityGatesErrored],
    ...opt('contextCompactions', event.contextCompactions),
    contextRotations: event.contextRotations,
    ...opt('contextUtilizationFinal', event.contextUtilizationFinal),
    ...opt('contextUtilizationPeak', event.contextUtilizationPeak),
    outcome: enumOf(Outcome, event.outcome),
    ...opt('failure', event.failure, failureToProto),
    retryCount: event.retryCount,
    retriesByCause: { ...event.retriesByCause },
    ...opt('language', event.language),
    ...opt('repoSizeCategory', event.repoSizeCategory, (word) => enumOf(RepoSizeCategory, word)),
    ...opt('turnsPerTask', event.turnsPerTask),
    ...opt('tokensPerTask', event.tokensPerTask, BigInt),
    ...opt('costPerTaskUsdMicros', event.actualCostUsdMicros, BigInt),
    turnsLowerBound: event.turnsLowerBound ?? false,
    ...opt('summary', event.summary),
    artifacts: event.files.map(artifactToProto),
    ...opt('filesChanged', event.filesChanged),
    ...opt('linesAdded', event.linesAdded, BigInt),
    ...opt('linesRemoved', event.linesRemoved, BigInt),
    ...opt('baseCommit', event.base),
    ...opt('frozenCommit', event.commit),
    ...opt('frozenRef', event.ref),
  });
}

const artifactKinds: Readonly<Record<FileChange['change'], ArtifactKind>> = {
  added: ArtifactKind.FILE_CREATED,
  modified: ArtifactKind.FILE_CHANGED,
  deleted: ArtifactKind.FILE_DELETED,
  renamed: ArtifactKind.FILE_RENAMED,
};

function artifactToProto(file: FileChange): Artifact {
  return create(ArtifactSchema, {
    kind: artifactKinds[file.change],
    path: file.path,
    ...opt('linesAdded', file.linesAdded, BigInt),
    ...opt('linesRemoved', file.linesRemoved, BigInt),
  });
}
