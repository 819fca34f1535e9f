import { spawn } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isFinal } from '../../task/task.ts';
import { openSqlite } from './index.ts';

const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const kills = full ? 200 : 10;

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'singletree-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Runs the writer until it is dead: by itself at a failpoint beside a COMMIT, or from outside after so many acknowledgements, at
 * whatever instruction that meets it. Gives the newest acknowledged version of each task.
 */
async function writeUntilKilled(path: string, round: number, count: number): Promise<Map<string, number>> {
  const failpoint = [`store.commit.before=kill@${count}`, `store.commit.after=kill@${count}`, ''][round % 3];
  const child = spawn(process.execPath, [new URL('writer.testsuite.ts', import.meta.url).pathname, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_NO_WARNINGS: '1', SINGLETREE_FAILPOINTS: failpoint },
  });
  const exit = once(child, 'exit');
  const acknowledged = new Map<string, number>();
  let lines = 0;
  for await (const line of createInterface(child.stdout)) {
    const [id = '', version = ''] = line.split(' ');
    acknowledged.set(id, Number(version));
    if (failpoint === '' && ++lines === count) child.kill('SIGKILL');
  }
  expect((await exit)[1]).toBe('SIGKILL');
  return acknowledged;
}

test(
  `${kills} times kill -9 of a writer: every acknowledged commit is there, whole, and nothing is half there`,
  async () => {
    const given = process.env['SINGLETREE_TEST_SEED'];
    const seed = given === undefined || given === '' ? randomInt(2 ** 32) : Number(given);
    console.log(`kill test: repeat with SINGLETREE_TEST_SEED=${seed}`);
    const random = randomFrom(seed);
    const path = join(folder, 'singletree.db');
    const acknowledged = new Map<string, number>();
    for (let round = 0; round < kills; round++) {
      const newest = await writeUntilKilled(path, round, 1 + Math.floor(random() * 40));
      for (const [id, version] of newest) acknowledged.set(id, version);
      await check(path, acknowledged);
    }
    expect(acknowledged.size).toBeGreaterThan(kills);
  },
  kills * 3_000,
);

async function check(path: string, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  const { store, outbox } = openSqlite({ path, newId: randomUUID });
  try {
    const tasks = await store.tasks({ limit: 100_000 });
    const versions = new Map(tasks.map(({ id, version }) => [id, version]));
    const lost = [...acknowledged].filter(([id, version]) => (versions.get(id) ?? 0) < version);
    expect(lost).toEqual([]);
    let ended = 0;
    for (const { id, sequence, state, version } of tasks) {
      const events = await store.events(id, 0, 1000);
      expect(events.map((event) => event.sequence)).toEqual(Array.from({ length: sequence }, (_, index) => index + 1));
      expect((await store.completion(id)) !== undefined).toBe(isFinal(state));
      // Two entries with each version after the first, and at the end three in their place.
      const ledger = await store.ledger({ taskId: id, skip: 0, limit: 100 });
      expect(ledger.length).toBe(isFinal(state) ? 3 : 2 * (version - 1));
      if (isFinal(state)) ended++;
    }
    expect((await outbox.standing()).destinations.reduce((sum, { pending }) => sum + pending, 0)).toBe(2 * ended);
  } finally {
    await store.close();
  }
  const database = new DatabaseSync(path);
  const integrity = database.prepare('PRAGMA integrity_check').get();
  database.close();
  expect(integrity).toEqual({ integrity_check: 'ok' });
}

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
