import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
let mark: string;
beforeAll(async () => {
  machine = await Machine.make();
  mark = join(machine.path, 'working');
  machine.follow([{ mark }, { hang: true }]);
  await machine.type(['up', '--detach']);
});
afterAll(() => machine[Symbol.asyncDispose]());

const json = (text: string): unknown => JSON.parse(text);

describe('singletree kill-switch', () => {
  test('on ends what runs, keeps what comes waiting, and says how to take it back', async () => {
    const id = (await machine.type(['run', '--detach', 'work'])).stdout.trim();
    await until(() => existsSync(mark), { what: 'the agent to work', timeoutMs: 20_000 });
    const typed = await machine.type(['kill-switch', 'on', '--reason', 'the bill'], { env: { USER: 'anna' } });
    expect(typed).toMatchObject({ code: 0 });
    expect(typed.stdout).toBe(`✓ kill switch all is on · the bill\n  ended   1 task: ${id.slice(0, 13)}\n`);
    expect(typed.stderr).toContain('singletree kill-switch off');
    const ended = json((await machine.type(['watch', id, '--json'])).stdout.split('\n').findLast((line) => line !== '') ?? '');
    expect(ended).toMatchObject({ completed: { failure: { reason: 'killed', scope: 'all', by: 'anna', why: 'the bill' } } });

    const waiting = (await machine.type(['run', '--detach', 'wait'])).stdout.trim();
    const task = json((await machine.type(['get', waiting, '--json'])).stdout);
    expect(task).toMatchObject({ state: 'created', waiting: { waiting_for: 'kill_switch' } });
    expect((await machine.type(['ls'])).stdout).toContain('created');
    expect((await machine.type(['get', waiting])).stdout).toMatch(/kill switch all, thrown by .+: the bill/);
  });

  test('status and the status of the daemon tell of it', async () => {
    const thrown = { scope: 'all', by: 'anna', why: 'the bill', at: expect.any(String) as string };
    expect(await machine.type(['kill-switch', 'status'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^all · by anna · .* ago · the bill\n$/),
    });
    expect(json((await machine.type(['kill-switch', 'status', '--json'])).stdout)).toEqual({ kill_switches: [thrown] });
    expect(json((await machine.type(['status', '--json'])).stdout)).toMatchObject({ kill_switch: [thrown] });
  });

  test('on of a directory means the one where the person stands', async () => {
    const typed = await machine.type(['kill-switch', 'on', '--scope', 'workspace=.', '--json']);
    expect(json(typed.stdout)).toMatchObject({
      kill_switch: { scope: `workspace=${machine.repo.path}` },
      task_ids: [],
      complete: true,
      survivors: [],
    });
  });

  test('off is for a person, or an agent that says that one has agreed', async () => {
    const agent = { env: { CLAUDECODE: '1' } };
    expect(await machine.type(['kill-switch', 'off'], agent)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--yes-from-agent'),
    });
    expect(await machine.type(['kill-switch', 'on'], agent)).toMatchObject({ code: 0 });
    const off = await machine.type(['kill-switch', 'off', '--scope', 'workspace=.', '--yes-from-agent'], agent);
    expect(off).toMatchObject({ code: 0, stdout: `kill switch workspace=${machine.repo.path} is off\n`, stderr: 'still on: all\n' });
    expect(await machine.type(['kill-switch', 'off', '--json'])).toMatchObject({
      code: 0,
      stdout: '{"released":true,"kill_switches":[]}\n',
    });
    expect(await machine.type(['kill-switch', 'off'])).toMatchObject({ code: 0, stdout: 'kill switch all was not on\n' });
    expect(await machine.type(['kill-switch', 'status'])).toMatchObject({ code: 0, stdout: '', stderr: 'no kill switch is on\n' });
  });

  test.each([
    [['halt'], '"halt" is nothing that a kill switch does'],
    [['on', '--scope', 'task=1'], 'scopes: all, harness=ID, model=NAME, workspace=/ABSOLUTE/PATH, label=KEY, label=KEY=VALUE'],
    [['on', '--scope', 'harness=fak'], 'did you mean fake?'],
  ])('%j is refused', async (argv, said) => {
    expect(await machine.type(['kill-switch', ...argv])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
  });

  test('down --kill ends what runs and the daemon', async () => {
    const running = join(machine.path, 'running');
    machine.follow([{ mark: running }, { hang: true }]);
    await machine.type(['run', '--detach', 'work']);
    await until(() => existsSync(running), { what: 'the agent to work', timeoutMs: 20_000 });
    const typed = await machine.type(['down', '--kill']);
    expect(typed).toMatchObject({ code: 0, stderr: expect.stringMatching(/^ends \d tasks?\n/) });
    expect(typed.stdout).toMatch(/^daemon \d+ has stopped/);
    expect(machine.daemons()).toEqual([]);
  });
});
