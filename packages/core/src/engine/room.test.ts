import { expect, test } from 'vitest';
import { roomInOutbox, roomInQueue } from './room.ts';

const owing = (rows: number) => ({ owed: async (_: readonly string[], most: number) => Math.min(rows, most) });

test.each([
  ['there is room for one', 4, ['otlp'], 5],
  ['there is no limit', 1_000_000, ['otlp'], 0],
  ['nothing is sent anywhere', 5, [], 5],
])('a task is taken where %s', async (_, rows, destinations, most) => {
  await expect(roomInOutbox(owing(rows), destinations, most)).resolves.toBeUndefined();
});

test.each([5, 6])('where %i of 5 wait, none is taken', async (rows) => {
  await expect(roomInOutbox(owing(rows), ['otlp'], 5)).rejects.toMatchObject({ reason: 'OUTBOX_FULL', metadata: { limit: '5' } });
});

const holding = (tasks: number) => ({ waiting: async (most: number) => Math.min(tasks, most) });

test('the queue takes what there is room for', async () => {
  await expect(roomInQueue(holding(4), 5)).resolves.toBeUndefined();
  await expect(roomInQueue(holding(1_000_000), 0)).resolves.toBeUndefined();
  await expect(roomInQueue(holding(5), 5)).rejects.toMatchObject({ reason: 'QUEUE_FULL', metadata: { limit: '5' } });
});
