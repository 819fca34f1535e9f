import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { ProcessRole, type ReadLogsResponse } from '@singletree/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../store/store.ts';
import type { Task } from '../task/task.ts';
import { readLogs } from './read-logs.ts';

let folder: string;
let task: Task;
const wantAll: Parameters<typeof readLogs>[1] = { roles: [], gate: '', follow: false };
const roleNames = ['', 'setup', 'harness', 'gate'];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'logs-'));
  const made: unknown = {
    id: 't',
    state: 'in_review',
    spec: { setup: ['npm ci'], gates: [{ name: 'lint' }, { name: 'test' }] },
    attempts: [
      { number: 1, startedAt: 1 },
      { number: 2, startedAt: 2 },
    ],
  };
  task = made as Task;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process directory with what was written there. */
function ran(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = join(folder, 't', name);
  mkdirSync(directory, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(join(directory, file), content);
    utimesSync(join(directory, file), 9, 9);
  }
  return directory;
}

function reading(wanted: Partial<typeof wantAll> = {}, signal?: AbortSignal) {
  const store = { task: async () => task } as unknown as Store;
  return readLogs('t', { ...wantAll, ...wanted }, signal ?? new AbortController().signal, { store, processRoot: folder });
}

async function read(...args: Parameters<typeof reading>): Promise<string[]> {
  const lines: string[] = [];
  for await (const piece of reading(...args)) lines.push(lineOf(piece));
  return lines;
}

function lineOf({ attempt, role, name, run, source, offset, data, at }: ReadLogsResponse): string {
  const process = [attempt, roleNames[role], name, run].filter((part) => part !== '').join(' ');
  return `${process} ${source}@${offset} ${at ? timestampMs(at) / 1_000 : '?'}s ${Buffer.from(data).toString()}`;
}

test('every process in the order in which they ran, with its name; what was run again by its number', async () => {
  ran('2/harness-0-1', { 'stdout.log': 'again' });
  ran('10/harness-0-1', { 'stdout.log': 'tenth' });
  ran('1/gate-1-1', { 'stdout.log': 'red' });
  ran('1/gate-0-2', { 'stdout.log': 'clean' });
  ran('1/gate-0-1', { 'stderr.log': 'lost' });
  ran('1/setup-0-1', { 'stdout.log': 'installed' });
  ran('1/harness-0-1', { 'stdout.log': 'hello', 'stderr.log': 'warned' });
  ran('1/other-0-1', { 'stdout.log': 'not ours' });
  ran('notes/harness-0-1', { 'stdout.log': 'not ours' });
  expect(await read()).toEqual([
    '1 setup npm ci 1 stdout@0 9s installed',
    '1 harness 1 stdout@0 9s hello',
    '1 harness 1 stderr@0 9s warned',
    '1 gate lint 1 stderr@0 9s lost',
    '1 gate lint 2 stdout@0 9s clean',
    '1 gate test 1 stdout@0 9s red',
    '2 harness 1 stdout@0 9s again',
    '10 harness 1 stdout@0 9s tenth',
  ]);
  expect(await read({ attempt: 2 })).toEqual(['2 harness 1 stdout@0 9s again']);
  expect(await read({ gate: 'test' })).toEqual(['1 gate test 1 stdout@0 9s red']);
  expect(await read({ roles: [ProcessRole.SETUP, ProcessRole.GATE] })).toHaveLength(4);
});

test('two setup commands of the same words are told apart', async () => {
  task = { ...task, spec: { ...task.spec, setup: ['make', 'make'] } };
  ran('1/setup-0-1', { 'stdout.log': 'first' });
  ran('1/setup-0-2', { 'stdout.log': 'again' });
  ran('1/setup-1-1', { 'stdout.log': 'second' });
  expect(await read()).toEqual([
    '1 setup make 1 stdout@0 9s first',
    '1 setup make 2 stdout@0 9s again',
    '1 setup make 3 stdout@0 9s second',
  ]);
});

test('both outputs in turns, by the clock', async () => {
  ran('1/harness-0-1', {
    'stdout.log': 'abcdef',
    'stderr.log': '12',
    'clock.log': '1000 0 0 0\n2000 1 2 1\n3000 2 2 1\n4000 3 5 1\n5000 4 torn',
  });
  expect(await read()).toEqual([
    '1 harness 1 stdout@0 2s ab',
    '1 harness 1 stderr@0 2s 1',
    '1 harness 1 stdout@2 4s cde',
    '1 harness 1 stdout@5 9s f',
    '1 harness 1 stderr@1 9s 2',
  ]);
});

test('pieces are of at most 64 KiB, and every byte comes once', async () => {
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  ran('1/harness-0-1', { 'stdout.log': bytes, 'clock.log': '1000 0 100000 0\n' });
  const pieces: ReadLogsResponse[] = [];
  for await (const piece of reading()) pieces.push(piece);
  expect(pieces.map(({ offset, data }) => [Number(offset), data.length])).toEqual([
    [0, 65_536],
    [65_536, 34_464],
    [100_000, 65_536],
    [165_536, 34_464],
  ]);
  expect(Buffer.concat(pieces.map(({ data }) => data))).toEqual(bytes);
});

describe('what is not there', () => {
  test('says what is kept', async () => {
    ran('2/harness-0-1', { 'stdout.log': '' });
    ran('2/gate-1-1', { 'stdout.log': '' });
    const hint = 'kept: attempt 2 harness, attempt 2 gate test';
    await expect(read({ attempt: 1 })).rejects.toMatchObject({
      reason: 'LOG_NOT_FOUND',
      message: 'the logs of attempt 1 of task t are no longer kept',
      hint,
      metadata: { task_id: 't', kept_attempts: '2' },
    });
    await expect(read({ attempt: 3 })).rejects.toMatchObject({ message: 'task t has no attempt 3', hint });
    await expect(read({ attempt: 2, gate: 'lint' })).rejects.toMatchObject({
      message: 'attempt 2 of task t has started no gate "lint"',
      hint,
    });
    await expect(read({ gate: 'tset' })).rejects.toMatchObject({ reason: 'UNKNOWN_GATE', hint: 'its gates: lint, test' });
    // The process is kept, and has said nothing.
    expect(await read({ attempt: 2 })).toEqual([]);
  });

  test('of a task that has begun nothing, and of one whose folder was removed', async () => {
    await expect(read()).rejects.toMatchObject({ message: 'the logs of task t are no longer kept' });
    task = { ...task, state: 'created', attempts: [] };
    await expect(read()).rejects.toMatchObject({
      message: 'task t has started no such process',
      hint: 'follow the logs to wait for it',
    });
  });
});

test('nothing outside is read: no link to a folder or a file, and no pipe that would be waited for', async () => {
  const secret = join(folder, 'secret');
  mkdirSync(secret);
  writeFileSync(join(secret, 'stdout.log'), 'secret');
  mkdirSync(join(folder, 't/1'), { recursive: true });
  symlinkSync(secret, join(folder, 't/1/harness-0-1'));
  symlinkSync(secret, join(folder, 't/2'));
  const gate = ran('1/gate-0-1', { 'stderr.log': 'said' });
  symlinkSync(join(secret, 'stdout.log'), join(gate, 'stdout.log'));
  execFileSync('mkfifo', [join(gate, 'clock.log')]);
  expect(await read()).toEqual(['1 gate lint 1 stderr@0 9s said']);
});

describe('following', () => {
  test('goes on with what is written, also by processes to come, until the task is final', async () => {
    task = { ...task, state: 'created', attempts: [] };
    const lines: string[] = [];
    const done = (async () => {
      for await (const piece of reading({ follow: true })) lines.push(lineOf(piece).replace(/ [\d.]+s /, ' '));
    })();
    await sleep(20);
    const directory = ran('1/harness-0-1', { 'stdout.log': 'one ' });
    await expect.poll(() => lines, { timeout: 5_000 }).toHaveLength(1);
    appendFileSync(join(directory, 'stdout.log'), 'two');
    await expect.poll(() => lines, { timeout: 5_000 }).toHaveLength(2);
    ran('1/gate-0-1', { 'stdout.log': 'passed', 'exit.json': '{}' });
    appendFileSync(join(directory, 'stderr.log'), 'late');
    task = { ...task, state: 'completed' };
    await done;
    expect(lines).toEqual([
      '1 harness 1 stdout@0 one ',
      '1 harness 1 stdout@4 two',
      '1 harness 1 stderr@0 late',
      '1 gate lint 1 stdout@0 passed',
    ]);
  });

  test('stops when the daemon does or the client has gone, also while nothing comes; and does not pass for the end', async () => {
    const gone = new AbortController();
    ran('1/harness-0-1', { 'stdout.log': 'x' });
    const pieces = reading({ follow: true }, gone.signal);
    expect((await pieces.next()).done).toBe(false);
    setTimeout(() => gone.abort(), 20);
    await expect(pieces.next()).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
    await expect(read({}, gone.signal)).rejects.toMatchObject({ reason: 'SHUTTING_DOWN' });
  });

  test('a log that is cut short meanwhile is read no further', async () => {
    const directory = ran('1/harness-0-1', { 'stdout.log': 'x'.repeat(100_000) });
    const pieces = reading();
    expect((await pieces.next()).done).toBe(false);
    writeFileSync(join(directory, 'stdout.log'), '');
    expect((await pieces.next()).done).toBe(true);
  });

  test('a task that is removed meanwhile ends it', async () => {
    rmSync(folder, { recursive: true });
    const none: unknown = undefined;
    task = none as Task;
    expect(await read({ follow: true })).toEqual([]);
  });
});
