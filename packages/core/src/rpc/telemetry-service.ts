import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { PreviewTelemetryResponseSchema, TelemetryRecordState, type TelemetryService } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import type { OutboxRecord } from '../store/outbox.ts';
import type { Store } from '../store/store.ts';
import type { CompletionEvent } from '../task/completion.ts';
import type { Task } from '../task/task.ts';
import { findTask } from './find-task.ts';
import { opt } from './to-proto/parts.ts';
import { enumOf } from './words.ts';

/** What leaves the machine of a finished task, as the outbox tells it. */
export interface TelemetryPreview {
  readonly otlp: Uint8Array;
  readonly frozen: boolean;
  readonly record?: OutboxRecord;
  readonly target?: string;
}

export interface TelemetryServiceParts {
  readonly store: Store;
  readonly preview: (finished: { readonly task: Task; readonly completion: CompletionEvent }) => Promise<TelemetryPreview>;
}

export function telemetryService({ store, preview }: TelemetryServiceParts): ServiceImpl<typeof TelemetryService> {
  return {
    async previewTelemetry(request) {
      const task = await findTask(store, request.taskId);
      const completion = await store.completion(task.id);
      if (!completion) throw notFinal(task);
      const { otlp, frozen, record, target } = await preview({ task, completion });
      return create(PreviewTelemetryResponseSchema, {
        taskId: task.id,
        otlp,
        frozen,
        ...opt('state', record?.state, (state) => enumOf(TelemetryRecordState, state)),
        ...opt('deliveredAt', record?.deliveredAt, timestampFromMs),
        ...opt('lastError', record?.lastError),
        ...opt('endpoint', target),
      });
    },
  };
}

function notFinal({ id, state }: Task): DomainError {
  return new DomainError('TASK_NOT_FINAL', `task ${id} is ${state}: what leaves the machine is told of tasks that have ended`, {
    hint: `singletree watch ${id.slice(0, 13)} waits for its end`,
    metadata: { task_id: id, state },
  });
}
