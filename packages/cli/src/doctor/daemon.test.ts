import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { NoDaemonError, type Singletree } from '@singletree/sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { environmentOf, findDaemon } from './daemon.ts';

let state: string;
beforeEach(() => void (state = mkdtempSync(join(tmpdir(), 'doctor-'))));
afterEach(() => rmSync(state, { recursive: true }));

function leaveAddress(pid: number): void {
  const address = { address: 'unix:/run/d.sock', pid, version: '0.1.0', started_at: '2026-11-21T13:30:00Z' };
  writeFileSync(join(state, 'address.json'), JSON.stringify(address));
}

async function found(answer: () => Promise<unknown>) {
  const client: unknown = { daemon: { status: answer } };
  return await findDaemon(client as Singletree, state);
}

/** As a daemon has it. */
function lockedByUs(): Disposable {
  const connection = new DatabaseSync(join(state, 'lock.db'));
  connection.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  return { [Symbol.dispose]: () => connection.close() };
}

const refused = async (): Promise<never> => Promise.reject(new NoDaemonError('nobody there'));
const gone = 2 ** 22 + 1;

describe('a daemon', () => {
  test('that answers', async () => {
    const status = { pid: 7, version: '0.1.0', startedAt: new Date(Date.now() - 60_000), address: 'unix:/run/d.sock' };
    expect(await found(async () => status)).toMatchObject({
      status,
      finding: { status: 'ok', message: 'runs: pid 7 · singletree 0.1.0 · up 1 min', where: 'unix:/run/d.sock' },
    });
  });

  test('that there is none of', async () => expect((await found(refused)).finding).toMatchObject({ status: 'ok', message: 'none runs' }));

  test('whose address nobody can read, which is told elsewhere', async () => {
    mkdirSync(join(state, 'address.json'));
    symlinkSync('lock.db', join(state, 'lock.db'));
    expect((await found(refused)).finding).toMatchObject({ status: 'ok', message: 'none runs' });
  });

  test('that was killed', async () => {
    leaveAddress(gone);
    expect((await found(refused)).finding).toMatchObject({ status: 'warning', mend: 'singletree up --detach' });
  });

  test('that lives and does not answer', async () => {
    leaveAddress(process.pid);
    using _ = lockedByUs();
    const late = new DOMException('timed out', 'TimeoutError');
    for (const answer of [refused, async () => Promise.reject(late)]) {
      expect((await found(answer)).finding).toMatchObject({ status: 'error', mend: expect.stringContaining(`kill -9 ${process.pid}`) });
    }
  });

  test('that was killed, and whose number somebody else has by now, who must not be killed for it', async () => {
    leaveAddress(process.pid);
    expect((await found(refused)).finding).toMatchObject({ status: 'warning', mend: 'singletree up --detach' });
  });

  test('that has left no address yet', async () => {
    using _ = lockedByUs();
    const starting = { status: 'warning', message: expect.stringContaining(`process ${process.pid} has the state folder`) };
    expect((await found(refused)).finding).toMatchObject(starting);
    leaveAddress(gone);
    expect((await found(refused)).finding).toMatchObject(starting);
  });

  test('of another kind', async () => {
    expect((await found(async () => Promise.reject(new Error('it speaks another language')))).finding).toMatchObject({
      status: 'error',
      message: 'it speaks another language',
    });
  });
});

test('the environment of a process, and of one that is gone', () => {
  expect(environmentOf(process.pid)).toMatchObject({ PATH: expect.any(String) });
  expect(environmentOf(gone)).toBeUndefined();
});
