import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { SendTelemetryResponseSchema, type TelemetryService } from '@singletree/protocol';
import type { ClientRequest } from '../engine/request.ts';
import { DomainError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { CompletionEvent } from '../task/completion.ts';
import type { Instant, Task } from '../task/task.ts';
import type { ProbeReport } from '../telemetry-probe.ts';
import { findTask } from './find-task.ts';
import { probesToProto } from './telemetry-probe.ts';
import { opt } from './to-proto/parts.ts';
import { previewToProto, type PreviewFacts } from './to-proto/telemetry.ts';

export interface TelemetryServiceParts {
  readonly store: Store;
  /** Puts rows into the queue; gives how many. */
  readonly queue: (
    wish: { readonly from: 'undirected' | 'dead'; readonly since?: Instant; readonly taskId?: string; readonly to?: string },
    asked?: ClientRequest,
  ) => Promise<number>;
  readonly preview: (finished: { readonly task: Task; readonly completion: CompletionEvent }) => Promise<PreviewFacts>;
  readonly probe: () => Promise<readonly ProbeReport[]>;
}

export function telemetryService({ store, preview, queue, probe }: TelemetryServiceParts): ServiceImpl<typeof TelemetryService> {
  return {
    async sendTelemetry({ taskId, since, dead, to, requestId }) {
      const wish = {
        from: dead ? 'dead' : 'undirected',
        ...(taskId === '' ? {} : { taskId: (await findTask(store, taskId)).id }),
        ...opt('since', since, timestampMs),
        ...(to === '' ? {} : { to }),
      } as const;
      const rows = await queue(wish, requestId === '' ? undefined : { id: requestId, content: wish });
      return create(SendTelemetryResponseSchema, { rows: BigInt(rows) });
    },

    async probeTelemetry() {
      return probesToProto(await probe());
    },

    async previewTelemetry(request) {
      const task = await findTask(store, request.taskId);
      const completion = await store.completion(task.id);
      if (!completion) throw notFinal(task);
      return previewToProto(task.id, await preview({ task, completion }));
    },
  };
}

function notFinal({ id, state }: Task): DomainError {
  return new DomainError('TASK_NOT_FINAL', `task ${id} is ${state}: what leaves the machine is told of tasks that have ended`, {
    hint: `singletree watch ${id.slice(0, 13)} waits for its end`,
    metadata: { task_id: id, state },
  });
}
