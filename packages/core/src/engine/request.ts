import { createHash } from 'node:crypto';
import { DomainError } from '../errors.ts';
import type { StoredRequest } from '../store/store.ts';

/** A request under the id that its client gave it. */
export interface ClientRequest {
  readonly id: string;
  /** What was asked for, as the client sent it: the same content is the same wish, however this daemon would fill it in by now. */
  readonly content: object;
}

/** A request as it is kept. */
export interface HashedRequest {
  readonly id: string;
  readonly hash: string;
}

export function hashed({ id, content }: ClientRequest): HashedRequest {
  return { id, hash: hashOf(content) };
}

/** The order of keys does not count: clients write a map in any order, and a retried call in another one. */
function hashOf(content: object): string {
  const ordered = JSON.stringify(content, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(ordered).digest('hex');
}

/** Throws where the request id did something else before. */
export function assertSame(request: HashedRequest, earlier: StoredRequest): void {
  if (earlier.hash === request.hash) return;
  const other = 'answer' in earlier && earlier.answer.kind === 'queued' ? 'telemetry' : 'a kill switch';
  const [what, metadata] = 'taskId' in earlier ? [`task ${earlier.taskId}`, { task_id: earlier.taskId }] : [other, {}];
  throw new DomainError('REQUEST_ID_REUSED', `request id ${request.id} was used before with other content, for ${what}`, {
    hint: 'a request id belongs to one request; use a new one',
    metadata: { request_id: request.id, ...metadata },
  });
}
