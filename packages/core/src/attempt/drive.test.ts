import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Harness } from '@singletree/harness';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { advised } from '../task/advice.ts';
import type { Command } from '../task/commands.ts';
import { after, aTree, created, exited, running, stop } from '../task/samples.testsuite.ts';
import type { Task } from '../task/task.ts';
import { drive } from './drive.ts';
import type { Rooms } from './rooms.ts';
import { StepFailure } from './step-failure.ts';

let folder: string;
beforeEach(() => mkdirSync(join((folder = mkdtempSync(join(tmpdir(), 'drive-'))), 'harness-1')));
afterEach(() => rmSync(folder, { recursive: true }));

const silent = { push: () => [], end: () => [] };
const harness: Partial<Harness> = {
  capabilities: {
    resume: false,
    choosesSessionId: true,
    usage: 'none',
    contextWindow: false,
    compaction: false,
    cost: false,
    permissionModes: ['all'],
  },
  decoder: () => silent,
};

/** The little that giving up asks for. The first command is the last: whatever it is, somebody else holds the task after it. */
function rooms(task: Task, freeze: () => Promise<unknown>): { rooms: Rooms; commands: Command[] } {
  const commands: Command[] = [];
  const stubs: unknown = {
    store: { task: async () => task },
    engine: { execute: async (_: string, command: Command) => (commands.push(command), { kind: 'fenced' }) },
    plugins: { get: () => ({ harness, settings: {} }) },
    processes: { root: folder },
    workspaces: { freeze },
    watchdogs: { sameCall: {}, sameFailure: {}, emptyTurns: {}, unchangedTurns: {}, endGraceMs: 1 },
  };
  return { rooms: stubs as Rooms, commands };
}

describe('a task that is given up', () => {
  const failure = new StepFailure('internal', advised('internal', 'it could not be driven on'));
  const ended = after(created(), ...running, exited('harness-1', { code: null, signal: 'SIGTERM', stop: 'given_up' }));

  test('keeps what its attempt has used and made', async () => {
    const { rooms: around, commands } = rooms(ended, async () => aTree());
    await drive(ended.id, ended.fence, around, failure);
    expect(commands).toMatchObject([{ kind: 'reconciled', tree: aTree(), failure: { reason: 'internal', message: failure.message } }]);
    expect(after(ended, ...commands)).toMatchObject({
      state: 'failed',
      failure: { reason: 'internal', message: failure.message },
      attempts: [{ account: { sessionId: 'session-1' }, tree: aTree() }],
    });
  });

  test('ends as a stop wants it that was recorded, with the same', async () => {
    const stopped = after(
      after(created(), ...running),
      stop('cancel'),
      exited('harness-1', { code: null, signal: 'SIGTERM', stop: 'given_up' }),
    );
    const { rooms: around, commands } = rooms(stopped, async () => aTree());
    await drive(stopped.id, stopped.fence, around, failure);
    expect(after(stopped, ...commands)).toMatchObject({ state: 'cancelled', attempts: [{ tree: aTree() }] });
  });

  test('fails without it where that cannot be told either', async () => {
    const { rooms: around, commands } = rooms(ended, async () => Promise.reject(new Error('no git any more')));
    await drive(ended.id, ended.fence, around, failure);
    expect(commands).toEqual([{ kind: 'fail', reason: 'internal', message: failure.message }]);
  });
});
