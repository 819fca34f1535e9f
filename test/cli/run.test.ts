import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
beforeAll(async () => void (machine = await Machine.make()));
afterAll(async () => await machine[Symbol.asyncDispose]());

const at = (path: string): string => join(machine.repo.path, path);

test('a task from nothing: a daemon is started, the result is judged, seen, and brought home', async () => {
  machine.follow([
    { call: { input: 1_000, output: 80, cacheRead: 9_000 } },
    { write: { path: 'made.txt', content: 'by the agent\n' } },
    { edit: { path: 'a.txt', from: 'before', to: 'after' } },
    { say: 'All \u001b]0;owned\u0007good.' },
  ]);
  writeFileSync(at('mine.txt'), 'not committed\n');
  const { code, stdout, stderr } = await machine.type([
    'run',
    '--json',
    '--gate',
    'test=grep after a.txt',
    '--title',
    'Mend it',
    'mend it',
  ]);

  expect(code).toBe(0);
  // Exactly one object, while the progress is on stderr.
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  const event = JSON.parse(stdout);
  expect(event).toMatchObject({
    outcome: 'success',
    harness: 'fake',
    actual_input_tokens: 10_000,
    quality_gates_run: ['test'],
    quality_gate_passed: true,
    files_changed: 2,
  });
  const [first, second] = stderr.split('\n');
  expect(first).toBe(`  Mend it  task ${event.task_id.slice(0, 13)} · worktree · permissions: all`);
  expect(second).toContain('worktree from HEAD; 1 uncommitted file is not in it');
  expect(stderr).toMatch(/ ✓ gate test {3}passed in \d/);
  expect(stderr).toContain('the agent says: "All good."');
  expect(stderr).not.toContain('\u001b');

  const shown = await machine.type(['get', event.task_id.slice(0, 13), '--calls', '--json']);
  const { model_calls: calls, ...task } = JSON.parse(shown.stdout);
  expect(task).toMatchObject({ id: event.task_id, state: 'completed', completion: event, attempts: [{ number: 1 }] });
  expect(calls).toMatchObject([{ attempt: 1, usage: { uncached_input_tokens: 1_000, cache_read_input_tokens: 9_000, output_tokens: 80 } }]);
  const seen = (await machine.type(['get', '-', '--calls'])).stdout;
  expect(seen).toContain('success');
  expect(seen).toMatch(/\n +all +1,000 +9,000 +0 +80 +0 +–\n$/);

  const diff = await machine.type(['diff', '-']);
  expect(diff.stdout).toBe(
    await machine.repo.git('diff-tree', '-r', '-p', '--binary', '--full-index', event.base_commit, event.frozen_ref),
  );
  expect(existsSync(at('made.txt'))).toBe(false);
  const applied = await machine.type(['apply', '-']);
  expect([applied.code, applied.stdout]).toEqual([0, `the change of 2 files is in ${machine.repo.path} now, not staged\n`]);
  expect(readFileSync(at('a.txt'), 'utf8')).toBe('after\n');
  expect(readFileSync(at('made.txt'), 'utf8')).toBe('by the agent\n');
  expect(readFileSync(at('mine.txt'), 'utf8')).toBe('not committed\n');
  expect(JSON.parse((await machine.type(['apply', '-', '--json'])).stdout)).toMatchObject({ result: 'already_there' });
  await machine.repo.git('reset', '--hard', '--quiet');
  await machine.repo.git('clean', '-fdq');
});

test('a red gate: partial, with the failing output in full and last', async () => {
  machine.follow([{ write: { path: 'made.txt', content: 'x' } }]);
  const gate = 'test=echo one; echo "a.txt:1: expected after"; exit 3';
  const { code, stdout, stderr } = await machine.type(['run', '--gate', gate, '--gate', 'lint=true', '--max-attempts', '1', 'x']);
  expect(code).toBe(3);
  expect(stderr).toMatch(/ ✗ gate test {3}exit 3 in \d\.\d s · a\.txt:1: expected after/);
  expect(stdout).toMatch(/ ◐ failed {6}partial · gate_failed/);
  expect(stdout).toContain('  gate test exit 3\n    one\n    a.txt:1: expected after\n');
  expect(stdout).toMatch(/made\.txt {2}new {2}\+1/);
  expect(stderr).toMatch(/singletree diff - +shows the change\n +singletree apply - /);
});

test('no change and a red gate is a failure; --quiet leaves stderr empty', async () => {
  machine.follow([{ say: 'Fixed.' }]);
  const { code, stderr } = await machine.type(['run', '--quiet', '--gate', 'test=false', '--max-attempts', '1', 'x']);
  expect([code, stderr]).toEqual([1, '']);
});

test('a time limit is a timeout', async () => {
  machine.follow([{ sleep: 60_000 }]);
  const { code, stdout } = await machine.type(['run', '--timeout', '500ms', '--max-attempts', '1', 'x']);
  expect([code, stdout.split(' · ', 1)[0]]).toEqual([4, '  ⏱ failed      timeout']);
});

describe('Ctrl-C', () => {
  test('asks to cancel, and the end of it is still seen', async () => {
    const mark = join(machine.path, 'first');
    machine.follow([{ mark }, { sleep: 60_000 }]);
    const { child, ended } = machine.start(['run', 'x']);
    await until(() => existsSync(mark), { what: 'the agent to run', timeoutMs: 20_000 });
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain('asks to cancel');
    expect(stdout).toMatch(/ ⊘ cancelled/);
  });

  test('the second leaves, and says how to come back; watch leaves with the first', async () => {
    const mark = join(machine.path, 'second');
    const go = join(machine.path, 'go');
    machine.follow([{ ignoreSignals: ['SIGINT', 'SIGTERM'] }, { mark }, { waitFor: go }]);
    const { child, said, ended } = machine.start(['run', 'x']);
    await until(() => existsSync(mark), { what: 'the agent to run', timeoutMs: 20_000 });
    child.kill('SIGINT');
    await until(() => said.stderr.includes('asks to cancel'), { what: 'the first Ctrl-C to be told' });
    child.kill('SIGINT');
    const left = await ended;
    expect([left.code, left.stdout]).toEqual([130, '']);
    const [, back = ''] = /singletree watch (\S+)/.exec(left.stderr) ?? [];

    const watching = machine.start(['watch', back]);
    await until(() => watching.said.stderr.includes('attempt 1'), { what: 'the watch to see the attempt', timeoutMs: 20_000 });
    watching.child.kill('SIGINT');
    expect(await watching.ended).toMatchObject({ code: 130, stdout: '', stderr: expect.stringContaining('left; the task goes on') });
    writeFileSync(go, '');
    expect((await machine.type(['watch', back])).code).toBe(130);
  });
});

test('--detach prints the id alone; watch --json gives each event on a line; a final task cannot be cancelled', async () => {
  machine.follow([{ say: 'Done.' }]);
  const left = await machine.type(['run', '--detach', '--label', 'team=billing', 'x']);
  expect(left.stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  expect(left.stderr).toMatch(/singletree watch [0-9a-f-]{13} .*\n {2}singletree cancel /);
  const id = left.stdout.trim();
  const { code, stdout } = await machine.type(['watch', id, '--json']);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(code).toBe(0);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(events.at(-1)).toMatchObject({ task_id: id, completed: { outcome: 'success' } });
  expect(await machine.type(['cancel', id, '--json'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('"reason":"ILLEGAL_TRANSITION"'),
  });
  expect(JSON.parse((await machine.type(['run', '--detach', '--json', 'y'])).stdout)).toEqual({
    task_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect((await machine.type(['ls', '--quiet'])).stdout).toContain(id);
});

test('several tasks of a file: all are watched, the result is in the order of the file', async () => {
  machine.follow({
    prompts: [
      { match: 'first', script: [{ sleep: 300 }, { write: { path: 'a.txt', content: '1' } }] },
      { match: 'second', script: [{ write: { path: 'a.txt', content: '2' } }] },
    ],
  });
  const file = join(machine.path, 'tasks.yaml');
  writeFileSync(
    file,
    '- { title: One, instructions: first, workspace: repo }\n- { title: Two, instructions: second, workspace: repo, gates: { test: "false" }, limits: { max_attempts: 1 } }\n',
  );
  const { code, stdout, stderr } = await machine.type(['run', '-f', file, '--json'], { cwd: '/' });
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).outcome),
  ).toEqual(['success', 'partial']);
  expect(code).toBe(3);
  expect(stderr).toMatch(/#1 One .*\n.*#2 Two /);
  expect(stderr).toMatch(/#2 ✗ gate test/);
});

test('in place: the change is there already', async () => {
  machine.follow([{ write: { path: 'a.txt', content: 'in place\n' } }]);
  const { code, stderr } = await machine.type(['run', '--workspace-mode', 'in_place', 'x']);
  expect(code).toBe(0);
  expect(stderr.split('\n', 1)[0]).toContain('in_place · permissions: edits');
  expect(stderr).not.toContain('singletree apply');
  expect((await machine.type(['apply', '-'])).stdout).toContain(
    `the task worked in place: the change of 1 file is in ${machine.repo.path} already`,
  );
  await machine.repo.git('reset', '--hard', '--quiet');
});

test('a context file that is not committed is refused before there is a task; in place it is taken', async () => {
  writeFileSync(at('notes.md'), 'not committed\n');
  const refused = await machine.type(['run', '--context', 'notes.md', 'read it']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('context file notes.md is not in HEAD, so a worktree will not have it\n  commit it, or work in place');
  machine.follow([{ say: 'Read.' }]);
  expect((await machine.type(['run', '--workspace-mode', 'in_place', '--context', 'notes.md', 'read it'])).code).toBe(0);
});

describe('the prompt reaches the agent as it was given', () => {
  test.each([
    ['on standard input', '\ufeff-rf / $(id)\r\n\t\u001b[31m "é👩‍👧"  \n', true],
    ['of 1 MiB', 'é'.repeat(512 * 1024), true],
    ['as an argument', '--force /clear $(id) `id` \\ \u001b', false],
  ])('%s', async (_, prompt, piped) => {
    const report = join(machine.path, 'report.json');
    machine.follow([{ report }]);
    const { code } = await machine.type(piped ? ['run', '-'] : ['run', '--', prompt], piped ? { stdin: prompt } : {});
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(report, 'utf8')).stdin).toContain(prompt);
  });

  test.each([
    ['', 'the prompt'],
    ['x --title ', '--title'],
    ['x --criterion=', '--criterion'],
  ])('an argument that is not UTF-8 is refused with the offset of the byte: %s', async (before, named) => {
    // A shell, because Node cannot pass on such an argument.
    const { execFileSync } = await import('node:child_process');
    const program = join(import.meta.dirname, '../../packages/cli/src/main.ts');
    let said = '';
    try {
      execFileSync('/bin/sh', ['-c', `exec '${process.execPath}' '${program}' run ${before}"$(printf 'caf\\351')"`], {
        env: machine.env,
        cwd: machine.repo.path,
        stdio: 'pipe',
      });
    } catch (error) {
      said = String((error as { stderr: Buffer }).stderr);
    }
    expect(said).toContain(`${named} is not valid UTF-8 at byte 3`);
  });
});
