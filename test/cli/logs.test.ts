import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Machine } from '../support/machine.ts';

let machine: Machine;
/** A finished task of two attempts: the first one left the gate red. */
let id: string;

beforeAll(async () => {
  machine = await Machine.make();
  machine.follow({
    start: [{ stderr: 'watch \u001b[31mout\u001b[0m\n' }, { raw: 'ÿ\u0000 no JSON' }, { write: { path: 'made.txt', content: 'x' } }],
    resume: [{ write: { path: 'green', content: 'x' } }, { say: 'y'.repeat(200_000) }],
  });
  const gate = 'test=echo "to stdout"; echo "to stderr" >&2; test -e green';
  const { stdout } = await machine.type(['run', '--json', '--setup', 'echo installed', '--gate', gate, 'x']);
  id = JSON.parse(stdout).task_id;
});
afterAll(async () => await machine[Symbol.asyncDispose]());

/** What a process wrote, as its file has it. */
function written(name: string, source: 'stdout' | 'stderr'): Buffer {
  return readFileSync(join(machine.state, 'processes', id, name, `${source}.log`));
}

async function lines(argv: readonly string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await machine.type(['logs', id, '--json', ...argv]);
  expect(code).toBe(0);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('into a pipe, byte for byte, each output to its own', async () => {
  const { code, stdout, stderr } = await machine.type(['logs', id]);
  expect(code).toBe(0);
  const all = (source: 'stdout' | 'stderr'): string =>
    ['1/setup-0-1', '1/harness-0-1', '1/gate-0-1', '2/harness-0-1', '2/gate-0-1'].map((name) => written(name, source).toString()).join('');
  expect(stdout).toBe(all('stdout'));
  expect(stderr).toBe(all('stderr'));
  expect(stderr).toContain('\u001b[31mout');
});

test('only some of it', async () => {
  expect((await machine.type(['logs', id, '--setup'])).stdout).toBe('installed\n');
  expect(await machine.type(['logs', id, '--gate', 'test', '--attempt', '2'])).toMatchObject({
    stdout: 'to stdout\n',
    stderr: 'to stderr\n',
  });
  expect((await machine.type(['logs', id, '--agent', '--attempt', '1'])).stdout).toBe(written('1/harness-0-1', 'stdout').toString());
  const { code, stderr } = await machine.type(['logs', id, '--gate', 'tset']);
  expect([code, stderr]).toEqual([2, `error: task ${id} has no gate "tset"\n  its gates: test\n`]);
});

test('with --json a line is an object that says where it comes from; all texts together are the log', async () => {
  const all = await lines([]);
  expect(all[0]).toMatchObject({
    attempt: 1,
    role: 'setup',
    name: 'echo installed',
    run: 1,
    source: 'stdout',
    offset: 0,
    text: 'installed\n',
  });
  expect(Date.parse(String(all[0]?.['at']))).toBeGreaterThan(Date.now() - 600_000);
  const second = await lines(['--agent', '--attempt', '2']);
  const text = second
    .filter(({ source }) => source === 'stdout')
    .map((line) => line['text'])
    .join('');
  expect(text).toBe(written('2/harness-0-1', 'stdout').toString());
  expect(second.every((line) => String(line['text']).length <= 64 * 1024)).toBe(true);
  expect(second.some(({ name }) => name !== undefined)).toBe(false);
});

describe('following', () => {
  test('goes on with what is written until the task has ended, also over a daemon that is started again', async () => {
    const [go, last] = [join(machine.path, 'go'), join(machine.path, 'last')];
    machine.follow([{ raw: 'first' }, { waitFor: go }, { raw: 'second' }, { waitFor: last }, { raw: 'third' }]);
    const task = (await machine.type(['run', '--detach', '--quiet', 'x'])).stdout.trim();
    const { said, ended } = machine.start(['logs', task, '--follow']);
    await until(() => said.stdout.includes('first\n'), { what: 'the first line', timeoutMs: 20_000 });
    writeFileSync(go, '');
    await until(() => said.stdout.includes('second\n'), { what: 'the second line', timeoutMs: 20_000 });
    await machine.type(['down']);
    await machine.type(['up', '--detach', '--quiet']);
    writeFileSync(last, '');
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const told = stdout.split('\n').filter((line) => /^(first|second|third)$/.test(line));
    expect(told).toEqual(['first', 'second', 'third']);
  });
});

test('logs that were deleted are told as such, with what is kept', async () => {
  const attempts = join(machine.state, 'processes', id);
  rmSync(join(attempts, '1'), { recursive: true });
  expect(readdirSync(attempts)).toEqual(['2']);
  const { code, stderr } = await machine.type(['logs', id, '--attempt', '1']);
  expect(code).toBe(2);
  expect(stderr).toBe(`error: the logs of attempt 1 of task ${id} are no longer kept\n  kept: attempt 2 harness, attempt 2 gate test\n`);
  expect((await machine.type(['logs', id, '--attempt', '2', '--gate', 'test'])).stdout).toBe('to stdout\n');
});
