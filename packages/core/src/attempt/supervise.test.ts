import { basename, dirname } from 'node:path';
import { expect, test } from 'vitest';
import { logLength } from '../supervision/directory.ts';
import { look } from '../supervision/look.ts';
import { prepare, start, until } from '../supervision/testing.testsuite.ts';
import { createTask } from '../task/create.ts';
import { aSpec } from '../task/samples.testsuite.ts';
import type { Stop, Task, TaskProcess } from '../task/task.ts';
import type { Rooms } from './rooms.ts';
import { supervise } from './supervise.ts';

/** The little of the rooms that supervision asks for: a task that stays as it is, and an engine that agrees to everything. */
function roomsAround(directory: string, task: Task): Rooms {
  const rooms: Pick<Rooms, 'processes' | 'now'> & { store: Partial<Rooms['store']>; engine: Partial<Rooms['engine']> } = {
    processes: { root: dirname(directory), stateId: '', killSwitch: '' },
    now: Date.now,
    store: { task: async () => task, onCommit: () => () => undefined },
    engine: { execute: async () => ({ kind: 'done', task }) },
  };
  return rooms as Rooms;
}

async function supervised(directory: string, stop?: Stop, secrets?: () => Promise<undefined>): ReturnType<typeof supervise> {
  const task: Task = { ...createTask('a-task', aSpec(), Date.now()).task, ...(stop ? { stop } : {}) };
  const process: TaskProcess = {
    attempt: 1,
    role: 'harness',
    ordinal: 0,
    directory: basename(directory),
    state: stop ? 'owned' : 'open',
    openedAt: 0,
  };
  return await supervise(task, process, roomsAround(directory, task), secrets ? { secrets } : {});
}

test('a process whose secrets cannot be read is revoked, not started without them', async () => {
  const directory = await prepare('echo started');
  expect(await supervised(directory, undefined, async () => undefined)).toEqual({ kind: 'revoked' });
  expect(await look(directory)).toEqual({ kind: 'revoked' });
});

test('a harder stop that follows kills at once, and the first one is still the cause', async () => {
  const graces = { interruptMs: 60_000, terminateMs: 60_000 };
  const directory = await start('trap "" INT TERM; echo ready; while :; do sleep 0.1; done', { graces });
  await until(() => logLength(directory, 'stdout'));
  const ended = await supervised(directory, { kind: 'cancel', harder: 'kill', by: 'anna', at: 0 });
  expect(ended).toMatchObject({ kind: 'exited', exit: { signal: 'SIGKILL', stop: { kind: 'cancel', by: 'anna' } } });
});
