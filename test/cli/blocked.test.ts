import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, type FakeScript } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
beforeAll(async () => {
  machine = await Machine.make();
  await machine.type(['up', '--detach', '--quiet']);
});
afterAll(async () => await machine[Symbol.asyncDispose]());

const loggedOut = { result: { failed: true, reason: 'unauthenticated', message: 'run fake login first' } } as const;
const usedUp = { result: { failed: true, reason: 'quota_exhausted', message: 'nothing left for today' } } as const;

test('not logged in: run leaves with 77 and says why and how to come back; after the login the task goes on', async () => {
  machine.follow([loggedOut]);
  const left = await machine.type(['run', 'x']);
  expect([left.code, left.stdout]).toEqual([77, '']);
  expect(left.stderr).toContain('? blocked     unauthenticated');
  expect(left.stderr).toMatch(/is blocked: unauthenticated · run fake login first.*\n {2}tries again .* · fails .* if nothing changes\n/);
  const [, id = ''] = /singletree unblock (\S+)/.exec(left.stderr) ?? [];
  expect(left.stderr).toContain(`singletree watch ${id}`);

  const task = JSON.parse((await machine.type(['get', id, '--json'])).stdout);
  expect(task).toMatchObject({ state: 'blocked', blocked: { reason: 'unauthenticated', fails_at: expect.any(String) } });
  expect((await machine.type(['get', id])).stdout).toMatch(/state +‖ blocked · unauthenticated · .* · fails (on|at) .*\n/);

  // Whoever comes back is told the same, for programs as an object.
  const again = await machine.type(['watch', id, '--json']);
  expect(again.code).toBe(77);
  expect(JSON.parse(again.stderr)).toMatchObject({
    error: { reason: 'TASK_BLOCKED', metadata: { task_id: task.id, blocked_reason: 'unauthenticated', fails_at: task.blocked.fails_at } },
  });
  expect(JSON.parse(again.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({ state_changed: { to_state: 'blocked' } });

  machine.follow([{ say: 'Done.' }]);
  const waiting = machine.start(['watch', id, '--wait', '--json']);
  await until(() => waiting.said.stdout.includes('"blocked"'), { what: 'the watch to see the block', timeoutMs: 20_000 });
  const unblocked = await machine.type(['unblock', id]);
  expect([unblocked.code, unblocked.stdout]).toEqual([0, `task ${id} goes on\n`]);
  expect((await waiting.ended).code).toBe(0);
  expect(await machine.type(['unblock', id, '--json'])).toMatchObject({ code: 1, stderr: expect.stringContaining('ILLEGAL_TRANSITION') });
  // The block is history now.
  expect((await machine.type(['watch', id])).code).toBe(0);
});

test('a quota that is used up: 5; a blocked task can be cancelled', async () => {
  machine.follow([usedUp]);
  const left = await machine.type(['run', '--json', 'x']);
  expect([left.code, left.stdout]).toEqual([5, '']);
  const { error } = JSON.parse(left.stderr.trimEnd().split('\n').at(-1) ?? '');
  expect(error).toMatchObject({ reason: 'TASK_BLOCKED', metadata: { blocked_reason: 'quota_exhausted', until: expect.any(String) } });
  const id = error.metadata.task_id;
  const terminated = await machine.type(['terminate', id, '--reason', 'the budget is gone']);
  expect([terminated.code, terminated.stdout]).toEqual([0, `task ${id.slice(0, 13)} is cancelled\n`]);
  const { completion } = JSON.parse((await machine.type(['get', id, '--json'])).stdout);
  expect(completion).toMatchObject({ outcome: 'failure', failure: { reason: 'terminated', why: 'the budget is gone' } });
});

test('one of several that was blocked, and went on while the others were watched, is told as it is in the end', async () => {
  const go = join(machine.path, 'go');
  const says = (title: string, script: FakeScript) => ({ match: `^# Task: ${title}\n`, script });
  machine.follow({
    prompts: [says('early', [usedUp]), says('late', [{ waitFor: go }, { say: 'Done.' }]), { match: '', script: [{ say: 'Done.' }] }],
  });
  const file = join(machine.path, 'tasks.yaml');
  writeFileSync(file, '- { title: early, instructions: x }\n- { title: late, instructions: y }\n');
  const running = machine.start(['run', '-f', file]);
  await until(() => running.said.stderr.includes('quota_exhausted'), { what: 'the first one to be blocked', timeoutMs: 30_000 });
  const listed = JSON.parse((await machine.type(['ls', '--json'])).stdout) as { id: string; title: string }[];
  const { id = '' } = listed.find(({ title }) => title === 'early') ?? {};
  await machine.type(['unblock', id]);
  const state = async () => (JSON.parse((await machine.type(['get', id, '--json'])).stdout) as { state: string }).state;
  await until(async () => (await state()) === 'completed', { what: 'the first one to end', timeoutMs: 30_000, everyMs: 300 });
  writeFileSync(go, '');
  const { code, stdout } = await running.ended;
  expect(code).toBe(0);
  expect(stdout.match(/completed +success/g)).toHaveLength(2);
});

test('terminate ends an agent that listens to nothing, at once', async () => {
  const mark = join(machine.path, 'deaf');
  machine.follow([{ ignoreSignals: ['SIGINT', 'SIGTERM'] }, { mark }, { hang: true }]);
  const running = machine.start(['run', 'x']);
  await until(() => existsSync(mark), { what: 'the agent to run', timeoutMs: 20_000 });
  expect((await machine.type(['terminate', '-', '--reason', 'enough'])).code).toBe(0);
  const { code, stdout, stderr } = await running.ended;
  expect(code).toBe(130);
  expect(stderr).toMatch(/⊘ terminate +asked for by .* · enough/);
  expect(stdout).toMatch(/ ⊘ cancelled/);
});

test('rerun makes a new task of a finished one, names the old one, and watches', async () => {
  machine.follow([{ write: { path: 'made.txt', content: 'again' } }]);
  const first = JSON.parse((await machine.type(['run', '--json', '--label', 'team=billing', '--gate', 'test=true', 'make it'])).stdout);
  const { code, stdout, stderr } = await machine.type(['rerun', first.task_id.slice(0, 13), '--json']);
  expect(code).toBe(0);
  const second = JSON.parse(stdout);
  expect(second).toMatchObject({ outcome: 'success', quality_gates_run: ['test'], files_changed: 1 });
  expect(second.task_id).not.toBe(first.task_id);
  expect(stderr).toContain(`${first.task_id.slice(0, 13)} again`);
  const shown = await machine.type(['get', second.task_id]);
  expect(shown.stdout).toContain(`does task ${first.task_id} again`);
  expect(shown.stdout).toContain('team=billing');

  const left = await machine.type(['rerun', first.task_id, '--detach']);
  expect(left.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(left.stderr).toContain(`does task ${first.task_id.slice(0, 13)} again`);
  expect((await machine.type(['watch', left.stdout.trim()])).code).toBe(0);

  machine.follow([{ hang: true }]);
  const running = (await machine.type(['run', '--detach', '--quiet', 'x'])).stdout.trim();
  const refused = await machine.type(['rerun', running, '--json']);
  expect([refused.code, JSON.parse(refused.stderr).error.reason]).toEqual([1, 'ILLEGAL_TRANSITION']);
  await machine.type(['terminate', running]);
});
