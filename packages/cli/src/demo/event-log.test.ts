import type { TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { EventLog } from './event-log.ts';

const adopted = (attempt: number): TaskEvent => ({
  taskId: 't',
  sequence: attempt,
  at: new Date(0),
  attempt,
  kind: 'adopted',
  adopted: { daemonPid: 1, readOnFrom: [] },
});

test('an event is found whether it came before or comes later', async () => {
  const events = new EventLog();
  events.add(adopted(1));
  const later = events.first('adopted', ({ attempt }) => attempt === 2);
  events.add(adopted(2));
  await expect(events.first('adopted')).resolves.toMatchObject({ attempt: 1 });
  await expect(later).resolves.toMatchObject({ attempt: 2 });
});

test('who waits in vain is told why, before and after the end', async () => {
  const events = new EventLog();
  const waiting = events.first('completed');
  const other = events.orEnd(new Promise(() => {}));
  events.end(new Error('the task is over'));
  await expect(waiting).rejects.toThrow('the task is over');
  await expect(other).rejects.toThrow('the task is over');
  await expect(events.first('completed')).rejects.toThrow('the task is over');
});

test('an event that came before the end is still found after it', async () => {
  const events = new EventLog();
  events.add(adopted(1));
  events.end(new Error('the task is over'));
  await expect(events.first('adopted')).resolves.toMatchObject({ attempt: 1 });
});
