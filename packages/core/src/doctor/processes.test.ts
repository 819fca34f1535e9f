import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { markerName } from '../supervision/protocol.ts';
import { bootId, readMarker, readStat } from '../supervision/shim/process-table.ts';
import { examineProcesses } from './processes.ts';

let root: string;
let children: ChildProcess[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'doctor-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

/** A process directory that this process owns, or one that is gone. */
function opened(name: string, owner: 'alive' | 'dead'): void {
  const directory = join(root, name);
  mkdirSync(directory, { recursive: true });
  const startTime = owner === 'alive' ? readStat(process.pid)?.startTime : 1;
  writeFileSync(join(directory, 'spec.json'), '{}');
  writeFileSync(join(directory, 'owner'), JSON.stringify({ who: 'shim', pid: process.pid, startTime, bootId: bootId() }));
}

async function marked(directory: string): Promise<number> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore', env: { PATH: process.env['PATH'], [markerName]: `${root}/${directory}` } });
  children.push(child);
  const pid = child.pid ?? 0;
  await expect.poll(() => readMarker(pid)).toBe(`${root}/${directory}`);
  return pid;
}

const examine = async (daemonRuns: boolean) => (await examineProcesses({ root, stateId: root, daemonRuns }))[0];

test('nothing runs', async () => {
  expect(await examine(false)).toMatchObject({ status: 'ok', message: 'none is left running' });
  expect(await examine(true)).toMatchObject({ status: 'ok', message: 'none runs now' });
  expect(await examineProcesses({ root: join(root, 'none'), stateId: undefined, daemonRuns: false })).toEqual([]);
  writeFileSync(join(root, 'file'), '');
  expect(await examineProcesses({ root: join(root, 'file'), stateId: undefined, daemonRuns: false })).toEqual([]);
});

test('what runs is well beside a daemon, and alone without one', async () => {
  opened('t/1/harness-0-1', 'alive');
  opened('t/1/gate-0-1', 'dead');
  await marked('t/1/harness-0-1');
  expect(await examine(true)).toMatchObject({ status: 'ok', message: '1 of tasks run' });
  expect(await examine(false)).toMatchObject({
    status: 'warning',
    message: '1 of tasks run, and nobody judges what they make; 1 have died without an ending',
    mend: 'singletree up --detach',
  });
});

test('what belongs to no process directory that is open is named by its pid; a call of the daemon’s own is none', async () => {
  await marked('host');
  expect(await examine(true)).toMatchObject({ status: 'ok' });
  const pid = await marked('t/2/harness-0-1');
  expect(await examine(true)).toMatchObject({ status: 'warning', message: expect.stringContaining(`pid ${pid}`), mend: `kill -9 ${pid}` });
  expect(await examine(false)).toMatchObject({ mend: 'singletree up --detach ends them' });
});
