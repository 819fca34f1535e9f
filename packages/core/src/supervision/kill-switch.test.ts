import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { requestStop, revoke } from './directory.ts';
import { waitUntilGone, writeKillSwitches, type Killed, type Remains } from './kill-switch.ts';
import { markerName, markerOf } from './protocol.ts';
import { prepare, root, start, stateId, until } from './testing.testsuite.ts';

const kill = { kind: 'kill', hardness: 'kill', by: 'a person', at: 1 } as const;
const limitMs = 5_000;
const wait = (directories: readonly string[], set: Partial<Killed> = {}): Promise<Remains> =>
  waitUntilGone({ root, stateId, directories, isOver: async () => false, limitMs, ...set });

describe('what was killed is gone', () => {
  test('once each process has its ending or never began, and nothing that they started lives', async () => {
    const [ended, revoked] = [await start('sleep 300 & setsid sleep 301 & wait'), await prepare('true')];
    const names = [basename(ended), basename(revoked)];
    const gone = vi.fn<(remains: Remains) => void>();
    const waiting = wait(names).then(gone);
    await sleep(200);
    expect(gone).not.toHaveBeenCalled();
    await requestStop(ended, kill);
    await until(() => readdirSync(ended).includes('exit.json'));
    await sleep(100);
    expect(gone, 'a shim may still be started in the other one').not.toHaveBeenCalled();
    await revoke(revoked);
    await waiting;
    expect(gone).toHaveBeenCalledWith({ complete: true, survivors: [] });
  });

  test('at once where there was nothing', async () => expect(await wait([])).toEqual({ complete: true, survivors: [] }));

  test('where its shim died, once the step that watches it says so', async () => {
    let isOver = false;
    const name = basename(await prepare('true'));
    const began = performance.now();
    const waiting = wait([name], { isOver: async () => isOver });
    await sleep(150);
    isOver = true;
    expect(await waiting).toEqual({ complete: true, survivors: [] });
    expect(performance.now() - began).toBeGreaterThan(140);
  });
});

describe('what is not gone in time', () => {
  test('is named: what carries a marker of these, and no other', async () => {
    const [name, other] = ['survivor', 'another'];
    await mkdir(join(root, name));
    const marked = (directory: string) =>
      spawn('sleep', ['300'], { env: { PATH: process.env['PATH'], [markerName]: markerOf(stateId, directory) }, stdio: 'ignore' });
    const [survivor, stranger] = [marked(name), marked(other)];
    const began = performance.now();
    const remains = await wait([name], { isOver: async () => true, limitMs: 300 });
    expect(performance.now() - began).toBeGreaterThanOrEqual(299);
    for (const child of [survivor, stranger]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(remains).toEqual({ complete: false, survivors: [{ pid: survivor.pid, directory: name, command: 'sleep' }] });
  });

  test('is named by what its ending says too, as long as that lives', async () => {
    const directory = await start('exit 0');
    const file = join(directory, 'exit.json');
    const exit = JSON.parse(await until(() => readFileIfThere(file))) as object;
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    writeFileSync(file, JSON.stringify({ ...exit, survivors: [child.pid, 2 ** 22 + 1] }));
    const remains = await wait([basename(directory)], { limitMs: 200 });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(remains).toEqual({
      complete: false,
      survivors: [{ pid: child.pid, directory: basename(directory), command: 'sleep' }],
    });
    expect(await wait([basename(directory)])).toMatchObject({ complete: true });
  });

  test('is not complete, although nobody is found, while a shim may still come', async () => {
    expect(await wait([basename(await prepare('true'))], { limitMs: 100 })).toEqual({ complete: false, survivors: [] });
  });
});

test('the file is replaced whole, whatever was there', async () => {
  const file = join(root, 'kill-switch.json');
  const all = { scope: 'all', by: 'a person', why: 'the bill', at: 1 };
  writeFileSync(file, '{"switches":[');
  await writeKillSwitches(file, [all]);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ switches: [all] });
  await writeKillSwitches(file, []);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ switches: [] });
  expect(readdirSync(root).filter((name) => name.startsWith('kill-switch.json'))).toHaveLength(1);
});

function readFileIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
