import { DomainError } from '../errors.ts';
import type { OutboxStore } from '../store/outbox.ts';

/**
 * Throws OUTBOX_FULL where as many records wait for destinations as may: another task would only make another one, and none is ever dropped. Records
 * without a destination wait for nobody and do not count.
 *
 * @param most 0 for as many as come
 */
export async function roomIn(store: Pick<OutboxStore, 'owed'>, destinations: readonly string[], most: number): Promise<void> {
  if (most === 0 || destinations.length === 0 || (await store.owed(destinations, most)) < most) return;
  throw new DomainError('OUTBOX_FULL', `${most} records of finished tasks wait to be delivered: no new task is taken until some are`, {
    hint: 'singletree status shows which destination of telemetry does not take them; mend it, or remove it, or raise telemetry.max_pending',
    metadata: { limit: String(most) },
  });
}
