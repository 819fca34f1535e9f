import { describe, expect, test } from 'vitest';
import { storeWith, temporaryStore } from '../store/temporary.testsuite.ts';
import { createTask } from '../task/create.ts';
import { aSpec, noon } from '../task/samples.testsuite.ts';
import { findTask } from './find-task.ts';

const { store } = temporaryStore();
const made = await Promise.all(
  ['0199c1d4-0000-7000-8000-000000000001', '0199c1d4-0000-7000-8000-000000000002', '0199c1d5-0000-7000-8000-000000000003'].map(
    async (id) => {
      const { task, events } = createTask(id, aSpec(), noon);
      await store.commit({ task, events, expectedVersion: 0 });
      return task;
    },
  ),
);

describe('a task is found', () => {
  test.each([
    [made[0]!.id, 0],
    [made[1]!.id, 1],
    ['0199c1d5', 2],
    ['0199c1d4-0000-7000-8000-000000000002'.slice(0, 35) + '2', 1],
  ])('by %s', async (id, index) => expect(await findTask(store, id)).toStrictEqual(made[index]));

  test.each(['0199c1d6', 'ff', '0199c1d5-0000-7000-8000-000000000009', '0199c1d4-0000-7000-8000-000000000001x'])(
    'not by %s',
    async (id) => {
      await expect(findTask(store, id)).rejects.toMatchObject({ reason: 'TASK_NOT_FOUND', metadata: { task_id: id } });
    },
  );

  test('not by what fits several: the newest are named', async () => {
    await expect(findTask(store, '0199c1d')).rejects.toMatchObject({
      reason: 'AMBIGUOUS_TASK_ID',
      message: 'more than one task begins with 0199c1d',
      hint: `for example ${made
        .map(({ id }) => id)
        .toReversed()
        .join(', ')}; give more of the id`,
      metadata: {
        task_id: '0199c1d',
        matches: made
          .map(({ id }) => id)
          .toReversed()
          .join(','),
      },
    });
  });

  test('by its whole id without a look at others', async () => {
    const blind = storeWith(store, { tasksByPrefix: async () => [] });
    expect(await findTask(blind, made[0]!.id)).toStrictEqual(made[0]);
  });
});
