import { Command } from 'commander';
import type { LogChunk, Singletree } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { Call, type CommonFlags } from '../call.ts';
import { logs } from './logs.ts';

const id = '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c';

function piece(text: string | Uint8Array, fields: Partial<LogChunk> = {}): LogChunk {
  return { attempt: 1, role: 'harness', name: '', run: 1, source: 'stdout', offset: 0, data: Buffer.from(text), ...fields };
}

const gate = { role: 'gate', name: 'test' } as const;

interface Shown {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Both, as one terminal has them. */
  readonly both: string;
  readonly asked: unknown;
}

async function show(
  pieces: readonly LogChunk[],
  terminals: readonly string[],
  flags: CommonFlags = {},
  argv: readonly string[] = [],
): Promise<Shown> {
  const said: { stdout: Buffer[]; stderr: Buffer[]; both: Buffer[] } = { stdout: [], stderr: [], both: [] };
  const into = (name: 'stdout' | 'stderr') => ({
    isTTY: terminals.includes(name),
    write: (data: string | Uint8Array) => [said[name], said.both].forEach((list) => list.push(Buffer.from(data))),
  });
  let asked: unknown;
  async function* read(taskId: string, options: object) {
    asked = { taskId, ...options };
    yield* pieces;
  }
  const world = {
    env: {},
    cwd: '/',
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: into('stdout'),
    stderr: into('stderr'),
    onInterrupt: () => () => {},
  };
  const client: unknown = { tasks: { logs: read } };
  const call = Object.assign(new Call(world, flags), { client: async () => client as Singletree });
  const command = new Command('logs').argument('<TASK>').exitOverride();
  logs.define(command);
  command.action(async () => void (await logs.run(call, command)));
  await command.parseAsync([id, ...argv], { from: 'user' });
  return { stdout: Buffer.concat(said.stdout), stderr: Buffer.concat(said.stderr), both: Buffer.concat(said.both).toString(), asked };
}

const bytes = Buffer.from([0x1b, 0x5b, 0x33, 0x31, 0x6d, 0xff, 0x00, 0x0d, 0x0a]);

test('elsewhere than on a terminal every byte comes as it is', async () => {
  const { stdout, stderr } = await show([piece(bytes), piece('half'), piece(bytes, { source: 'stderr' })], []);
  expect(stdout).toEqual(Buffer.concat([bytes, Buffer.from('half')]));
  expect(stderr).toEqual(bytes);
});

test('a terminal is told nothing that it would obey, and whose words they are', async () => {
  const smiley = Buffer.from('🙂\n');
  const { both } = await show(
    [
      piece('a \u001b[31mred\u001b[0m word\r\n'),
      piece(smiley.subarray(0, 2)),
      piece(smiley.subarray(2)),
      piece('\u001b]0;own'),
      piece('ed\u0007no end'),
      piece('first\n', gate),
      piece('second\n', { ...gate, run: 2 }),
    ],
    ['stdout', 'stderr'],
  );
  expect(both).toBe(
    `==> attempt 1 · agent <==\na red word\n🙂\nno end\n\n==> attempt 1 · gate test <==\nfirst\n\n==> attempt 1 · gate test · run 2 <==\nsecond\n`,
  );
});

test('what goes into a file has no headings in it; with --quiet there are none', async () => {
  const { stdout, stderr } = await show([piece('x\n'), piece('y\n', gate), piece('warned\n', { ...gate, source: 'stderr' })], ['stdout']);
  expect([stdout.toString(), stderr.toString()]).toEqual(['x\ny\n', 'warned\n']);
  expect((await show([piece('x\n')], ['stdout', 'stderr'], { quiet: true })).both).toBe('x\n');
});

test('with --json each line is an object, on a terminal too', async () => {
  const { stdout, stderr } = await show(
    [piece('one\ntw', { at: new Date(0) }), piece('o', { offset: 6 }), piece('\u009b31m\n', gate)],
    ['stdout', 'stderr'],
    { json: true },
  );
  expect(stdout.toString()).not.toMatch(/[\u0080-\u009f]/);
  expect(
    stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { attempt: 1, role: 'harness', run: 1, source: 'stdout', offset: 0, at: '1970-01-01T00:00:00.000Z', text: 'one\n' },
    { attempt: 1, role: 'harness', run: 1, source: 'stdout', offset: 4, text: 'two' },
    { attempt: 1, role: 'gate', name: 'test', run: 1, source: 'stdout', offset: 0, text: '\u009b31m\n' },
  ]);
  expect(stderr.toString()).toBe('');
});

test.each<[string[], object]>([
  [[], { follow: false, roles: [] }],
  [['-f', '--attempt', '2', '--gate', 'test'], { follow: true, attempt: 2, gate: 'test', roles: [] }],
  [['--agent'], { roles: ['harness'] }],
  [['--setup'], { roles: ['setup'] }],
])('%j asks for what was wanted', async (argv, wanted) => {
  expect((await show([], [], {}, argv)).asked).toMatchObject({ taskId: id, ...wanted });
});
