import { randomUUID } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { change, creation } from '../packages/core/src/store/samples.testsuite.ts';
import { openSqlite } from '../packages/core/src/store/sqlite/index.ts';
import { temporaryFolder } from '../packages/testing/src/index.ts';
import { compare, timed } from './rounds.ts';

/** About what a small transaction writes to the log of the database. */
const page = Buffer.alloc(20 * 1_024);
const syncs = 100;
const commitsEach = 50;

/** Durable commits of a task with four events, by one caller and by many, whose commits share a sync. */
export async function commits(rounds: number): Promise<void> {
  await using folder = await temporaryFolder();
  const { store } = openSqlite({ path: join(folder.path, 'tasks.db'), newId: randomUUID });
  const file = openSync(join(folder.path, 'synced'), 'w');
  const synced = async (): Promise<number> => {
    const ms = await timed(() => {
      for (let count = 0; count < syncs; count++) {
        writeSync(file, page, 0, page.length, 0);
        fdatasyncSync(file);
      }
    });
    return (syncs / ms) * 1_000;
  };
  const caller = async (): Promise<void> => {
    const first = creation();
    await store.commit(first);
    let { task } = first;
    for (let count = 1; count < commitsEach; count++) {
      const next = change(task, {}, 4);
      if ((await store.commit(next)) !== 'committed') throw new Error('a commit of the only writer was refused');
      task = next.task;
    }
  };
  for (const callers of [1, 32]) {
    const subject = async (): Promise<number> =>
      ((callers * commitsEach) / (await timed(() => Promise.all(Array.from({ length: callers }, caller))))) * 1_000;
    const name = callers === 1 ? 'commits by one caller' : `commits by ${callers} callers`;
    await compare({ name, unit: '/s', subject, baseline: synced, against: 'fdatasync of 20 KiB' }, rounds);
  }
  closeSync(file);
  await store.close();
}
