import { DomainError } from '../errors.ts';
import type { OutboxStore } from '../store/outbox.ts';
import type { Store } from '../store/store.ts';

/**
 * Throws OUTBOX_FULL where as many records wait for destinations as may: another task would only make another one, and none is ever dropped. Records
 * without a destination wait for nobody and do not count.
 *
 * @param most 0 for as many as come
 */
export async function roomInOutbox(store: Pick<OutboxStore, 'owed'>, destinations: readonly string[], most: number): Promise<void> {
  if (most === 0 || destinations.length === 0 || (await store.owed(destinations, most)) < most) return;
  throw new DomainError('OUTBOX_FULL', `${most} records of finished tasks wait to be delivered: no new task is taken until some are`, {
    hint: 'singletree status shows which destination of telemetry does not take them; mend it, or remove it, or raise telemetry.max_pending',
    metadata: { limit: String(most) },
  });
}

/**
 * Throws QUEUE_FULL where as many tasks wait for their turn as may: a caller that loops must not fill the disk of everybody else.
 *
 * @param most 0 for as many as come
 */
export async function roomInQueue(store: Pick<Store, 'waiting'>, most: number): Promise<void> {
  if (most === 0 || (await store.waiting(most)) < most) return;
  throw new DomainError('QUEUE_FULL', `${most} tasks wait for their turn: no new one is taken until some have begun`, {
    hint: 'try again later, cancel some of them, or raise concurrency.max_waiting',
    metadata: { limit: String(most) },
  });
}
