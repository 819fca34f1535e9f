import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  ExportCompletionsResponseSchema,
  ExportFormat,
  ListCompletionsResponseSchema,
  type CompletionService,
  type ExportCompletionsResponse,
  type TaskCompletionEvent,
} from '@singletree/protocol';
import { DomainError } from '../../errors.ts';
import type { CompletionPlace, Store, StoredCompletion } from '../../store/store.ts';
import { traceOf } from '../../trace.ts';
import { readCompletionToken, writeCompletionToken } from '../page-token.ts';
import { completionToProto } from '../to-proto/completion.ts';
import { csvHeader, csvLineOf } from './csv.ts';
import { placeOf, slices, wantedOf } from './filter.ts';
import { jsonLineOf } from './json-lines.ts';

const pageSize = 50;
/** Events that are read at once. */
const sliceSize = 200;
/** Most slices that are looked through for one page. */
const mostSlices = 50;
/** Bytes after which a piece of an export is sent. */
const pieceBytes = 64 * 1024;

export function completionService({ store }: { readonly store: Store }): ServiceImpl<typeof CompletionService> {
  return {
    async listCompletions(request) {
      const wanted = wantedOf(request.filter);
      const limit = request.pageSize === 0 ? pageSize : request.pageSize;
      const from = request.pageToken === '' ? undefined : readCompletionToken(request.pageToken, wanted);
      const page: StoredCompletion[] = [];
      let next: CompletionPlace | undefined;
      let looked = 0;
      for await (const { fit, read } of slices(store, wanted, from, sliceSize)) {
        page.push(...fit);
        looked += 1;
        const last = page.length > limit ? page[limit - 1] : undefined;
        next = last ? placeOf(last) : looked === mostSlices ? read : undefined;
        if (next) break;
      }
      return create(ListCompletionsResponseSchema, {
        completions: page.slice(0, limit).map(toProto),
        nextPageToken: next ? writeCompletionToken(next, wanted) : '',
      });
    },

    async *exportCompletions({ format, filter, afterEventId }, { signal }) {
      const from = afterEventId === '' ? undefined : await placeAfter(store, afterEventId);
      const isTable = format === ExportFormat.CSV;
      const piece = new Piece(isTable ? csvLineOf : jsonLineOf, isTable && !from ? csvHeader : '');
      for await (const { fit } of slices(store, wantedOf(filter), from, sliceSize)) {
        if (signal.aborted) throw cutShort();
        for (const each of fit) {
          piece.add(toProto(each));
          if (piece.length >= pieceBytes) yield piece.take();
        }
      }
      if (piece.length > 0) yield piece.take();
    },
  };
}

/** What of an export waits to be sent. */
class Piece {
  readonly #line: (event: TaskCompletionEvent) => string;
  #text: string;
  #last = '';

  constructor(line: (event: TaskCompletionEvent) => string, header: string) {
    this.#line = line;
    this.#text = header;
  }

  get length(): number {
    return this.#text.length;
  }

  add(event: TaskCompletionEvent): void {
    this.#text += this.#line(event);
    this.#last = event.eventId;
  }

  take(): ExportCompletionsResponse {
    const piece = create(ExportCompletionsResponseSchema, { data: Buffer.from(this.#text), lastEventId: this.#last });
    this.#text = '';
    return piece;
  }
}

function toProto({ completion, traceparent }: StoredCompletion): TaskCompletionEvent {
  const spec = traceparent === undefined ? {} : { traceparent };
  return completionToProto(completion, traceOf({ id: completion.taskId, spec }).traceId);
}

async function placeAfter(store: Store, eventId: string): Promise<CompletionPlace> {
  const completion = await store.completion(eventId);
  if (completion) return { completedAt: completion.completedAt, taskId: completion.taskId };
  const task = await store.task(eventId);
  if (!task) {
    throw new DomainError('TASK_NOT_FOUND', `there is no completion event ${eventId} here`, {
      hint: 'name the event_id of a record of this daemon, or leave it out to begin with the oldest',
      metadata: { task_id: eventId },
    });
  }
  throw new DomainError('TASK_NOT_FINAL', `task ${task.id} is ${task.state}: it has no completion event to go on from`, {
    hint: 'name the last event of the export that was cut',
    metadata: { task_id: task.id, state: task.state },
  });
}

/** An end without an error means that there is no more. If it is the client that has gone, nobody hears this. */
function cutShort(): DomainError {
  return new DomainError('SHUTTING_DOWN', 'the daemon is shutting down; the export can be taken up again after the last event that came', {
    hint: 'start it again with: singletree up',
  });
}
