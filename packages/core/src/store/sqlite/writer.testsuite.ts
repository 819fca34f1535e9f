import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { change, creation, ending } from '../samples.testsuite.ts';
import type { ChangeSet } from '../store.ts';
import { openSqlite } from './index.ts';

/**
 * What the kill test kills: several tasks at a time, each created, changed and ended, for ever. After each commit that is
 * acknowledged it prints a line: the task's id, a space, the version.
 */
const { store } = openSqlite({ path: process.argv[2] ?? '', newId: randomUUID });

async function acknowledge(next: ChangeSet): Promise<ChangeSet['task']> {
  const result = await store.commit(next);
  if (result !== 'committed') throw new Error(`${next.task.id}: ${result}`);
  // Synchronous, so that nothing acknowledged is still in this process when it is killed.
  writeSync(1, `${next.task.id} ${next.task.version}\n`);
  return next.task;
}

async function write(): Promise<never> {
  for (;;) {
    let task = await acknowledge(creation({ instructions: 'x'.repeat(500) }));
    for (let count = 0; count < 3; count++) {
      const entries = [`${count} a`, `${count} b`].map((callId) => ({ attempt: 1, callId, provenance: 'reported' as const }));
      task = await acknowledge({ ...change(task, {}, 4), ledger: { attempt: 1, entries, whole: false } });
    }
    const entries = ['x', 'y', 'z'].map((callId) => ({ attempt: 1, callId, provenance: 'recovered' as const }));
    await acknowledge({ ...ending(task, 'completed', ['here', 'there']), ledger: { attempt: 1, entries, whole: true } });
  }
}

await Promise.all(Array.from({ length: 5 }, write));
