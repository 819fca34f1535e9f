import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { randomFrom, repository, seedOf, temporaryFolder, until, type Repository } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openSqlite } from '../../packages/core/src/store/sqlite/index.ts';
import { look, readSpec } from '../../packages/core/src/supervision/look.ts';
import { readRecord } from '../../packages/core/src/workspace/workspace.ts';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { DiskImage } from '../support/faults-disk-image.ts';
import { hasStrace, readRecording, recorder, unlessTraced, type DiskEvent } from '../support/faults-record.ts';

/** Several daemons and their agents at once: each takes its time on a busy machine. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/**
 * The power is cut, on paper: strace writes down what the daemon and its shims do to the database and to the process directories, and what
 * the daemon answers. A disk is put together as it may be after a cut at any of these calls, and looked at with the product's own eyes.
 */
const full = process.env['SINGLETREE_TEST_FULL'] === '1';
const cuts = full ? 200 : 12;
const restarts = full ? 10 : 1;
const tasks = 12;

let stack: AsyncDisposableStack;
let repo: Repository;
let state: string;
let events: readonly DiskEvent[];
/** By task, the number of the event with which somebody was told of it first. */
let told: ReadonlyMap<string, number>;
const instructions = new Map<string, string>();
const random = randomFrom(seedOf('power cuts'));

describe.skipIf(!hasStrace)(`after a cut of the power${unlessTraced}`, () => {
  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
    const record = join(folder, 'record');
    await using daemon = new TestDaemon({ folder, configuration });
    state = daemon.state;
    daemon.follow(script);
    const client = await daemon.start({}, recorder(record));
    const { pid } = daemon;
    // Together more than the thousand pages after which the log is copied into the database.
    for (let batch = 0; batch < tasks; batch += 4) {
      const created = Array.from({ length: 4 }, async () => {
        const text = `${randomUUID()} ${'x'.repeat(300_000 + Math.floor(random() * 200_000))}`;
        const { id } = await client.tasks.create(
          aTask(repo.path, { instructions: text, workspace: { path: repo.path, mode: 'in_place' } }),
        );
        instructions.set(id, text);
      });
      await Promise.all(created);
    }
    const ended = async () => (await client.tasks.page({ states: ['completed'] })).tasks.length;
    await until(async () => (await ended()) >= 2, { what: 'two tasks to end', timeoutMs: 60_000, everyMs: 50 });
    await daemon.kill();
    events = await readRecording(record, pid, isKept);
    told = firstToldOf([...instructions.keys()]);
    expect(told.size, 'answers in the record').toBe(tasks);
  });
  afterAll(() => stack.disposeAsync());

  test(`every acknowledged task is there, and the database is whole: ${cuts} cuts`, async () => {
    for (let number = 0; number < cuts; number++) {
      await using folder = await temporaryFolder();
      const at = aCut(number);
      new DiskImage(state, events.slice(0, at)).save(folder.path, random);
      await expectKept(folder.path, at);
    }
  });

  test(
    `a daemon goes on by itself: ${restarts} cuts`,
    async () => {
      for (let number = 0; number < restarts; number++) {
        await using folder = await temporaryFolder();
        const at = aCut(number);
        await using daemon = new TestDaemon({ folder: folder.path, configuration });
        daemon.follow(script);
        new DiskImage(state, events.slice(0, at)).save(daemon.state, random);
        const client = await daemon.start();
        for (const id of toldBefore(at).slice(0, full ? tasks : 4)) {
          const task = await finished(client, id, 60_000);
          expect(task, `cut at ${at}: ${task.failure?.message}`).toMatchObject({ state: 'completed' });
        }
      }
    },
    restarts * 60_000,
  );
});

const configuration = { concurrency: { total: 1 } };
const script = [{ say: 'Working.' }, { write: { path: 'b.txt', content: 'made\n' } }, { say: 'Done.' }] as const;

/** The database with its logs, the process directories, and what is recorded of workspaces. What the log's index holds is made anew by whoever opens the database first. */
function isKept(path: string): boolean {
  const name = relative(state, path);
  return /^((processes|worktrees)(\/|$)|singletree\.db|$)/.test(name) && !name.endsWith('-shm');
}

/** A third of the cuts comes right after somebody has been told of a task, a third right after a sync: then all that it stands for must be there. */
function aCut(number: number): number {
  const syncs = events.flatMap(({ kind }, at) => (kind === 'sync' ? at : []));
  const moments = [[...told.values()], syncs, [...events.keys()]][number % 3] ?? [];
  return 1 + (moments[Math.floor(random() * moments.length)] ?? 0);
}

function firstToldOf(ids: readonly string[]): Map<string, number> {
  const first = new Map<string, number>();
  for (const [at, event] of events.entries()) {
    if (event.kind !== 'answer') continue;
    for (const id of ids) if (!first.has(id) && event.bytes.includes(id)) first.set(id, at);
  }
  return first;
}

function toldBefore(at: number): string[] {
  return [...told].filter(([, moment]) => moment < at).map(([id]) => id);
}

async function expectKept(folder: string, at: number): Promise<void> {
  const path = join(folder, 'singletree.db');
  const { store } = openSqlite({ path, newId: randomUUID });
  try {
    const found = new Map((await store.tasks({ limit: 1000 })).map((task) => [task.id, task]));
    for (const id of toldBefore(at)) {
      expect(found.get(id)?.spec.instructions === instructions.get(id), `cut at ${at}: task ${id} is there as it was given`).toBe(true);
    }
    for (const { id, sequence, processes, workspace } of found.values()) {
      const sequences = (await store.events(id, 0, 1000)).map((event) => event.sequence);
      expect(sequences, `cut at ${at}: events of ${id}`).toEqual(Array.from({ length: sequence }, (_, index) => index + 1));
      if (workspace) {
        const git = join(folder, 'worktrees', `${id}.git`);
        expect(await readRecord(git), `cut at ${at}: record of the workspace of ${id}`).toBeDefined();
        expect(readFileSync(join(git, 'HEAD'), 'utf8'), `cut at ${at}: HEAD of ${git}`).toMatch(/^ref: /);
        expect(readFileSync(join(git, 'config'), 'utf8'), `cut at ${at}: config of ${git}`).toContain('repositoryformatversion');
      }
      for (const { directory } of processes) {
        const place = join(folder, 'processes', directory);
        // Written and synced before the transaction that names it.
        expect((await readSpec(place)).record, `cut at ${at}: spec.json in ${directory}`).toBeDefined();
        expect((await look(place)).kind, `cut at ${at}: ${directory}`).not.toBe('gone');
      }
    }
  } finally {
    await store.close();
  }
  const database = new DatabaseSync(path);
  const integrity = database.prepare('PRAGMA integrity_check').get();
  database.close();
  expect(integrity, `cut at ${at}`).toEqual({ integrity_check: 'ok' });
}
