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
import { count, failureToProto, opt, usageToProto } from './parts.ts';

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
    ...count('queueDurationMs', event.queueDurationMs),
    ...count('taskDurationMs', event.taskDurationMs),
    ...count('activeDurationMs', phases?.activeMs),
    ...count('gateDurationMs', phases?.gateMs),
    ...count('backoffDurationMs', phases?.backoffMs),
    ...count('blockedDurationMs', phases?.blockedMs),
    ...count('reviewDurationMs', phases?.reviewMs),
    ...count('estimatedInputTokens', event.estimatedInputTokens),
    ...count('estimatedOutputTokens', event.estimatedOutputTokens),
    ...count('estimatedCostUsdMicros', event.estimatedCostUsdMicros),
    ...count('actualInputTokens', event.actualInputTokens),
    ...count('actualOutputTokens', event.actualOutputTokens),
    ...opt('usage', event.usage, usageToProto),
    ...count('actualCostUsdMicros', event.actualCostUsdMicros),
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
    ...count('tokensPerTask', event.tokensPerTask),
    ...count('costPerTaskUsdMicros', event.actualCostUsdMicros),
    turnsLowerBound: event.turnsLowerBound ?? false,
    ...opt('summary', event.summary),
    artifacts: event.files.map(artifactToProto),
    ...opt('filesChanged', event.filesChanged),
    ...count('linesAdded', event.linesAdded),
    ...count('linesRemoved', event.linesRemoved),
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
    ...count('linesAdded', file.linesAdded),
    ...count('linesRemoved', file.linesRemoved),
  });
}
