import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@singletree/testing';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import { cli } from './cli.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => void (folder = await temporaryFolder()));
afterAll(async () => await folder[Symbol.asyncDispose]());

async function type(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({ isTTY: false, write: (data: string | Uint8Array) => void (said[name] += String(data)) });
  const code = await cli(argv, {
    // Nothing of this may start a daemon; where one would be, nobody may.
    env: { SINGLETREE_STATE: '/proc/none', HOME: folder.path, ...env },
    cwd: folder.path,
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: into('stdout'),
    stderr: into('stderr'),
    onInterrupt: () => () => {},
  });
  return { code, ...said };
}

test.each(['', 'run', 'doctor', 'telemetry', 'completions'])('help on %j is no wider than the lists in it', async (command) => {
  const { stdout } = await type([command, '--help'].filter(Boolean));
  const tooWide = stdout.split('\n').filter((line) => line.length > 100 && !line.startsWith(' '));
  expect(tooWide).toEqual([]);
  expect(stdout).not.toMatch(/ $/m);
});

describe('what is typed wrongly ends with 2, says what would be right, and leaves stdout alone', () => {
  test.each<[string[], string]>([
    [['rnu'], 'error: unknown command "rnu"\n  did you mean run?\n'],
    [['frobnicate'], 'error: unknown command "frobnicate"\n  singletree help lists the commands\n'],
    [['rnu', '--harness', 'x'], 'error: unknown command "rnu"'],
    [['overview'], 'error: unknown command "overview"'],
    [['help', 'statsu'], 'error: unknown command "statsu"\n  did you mean status?\n'],
    [['--jsno'], "error: unknown option '--jsno'\n  did you mean --json?\n"],
    [['run', '--harnes', 'x', 'y'], "error: unknown option '--harnes'\n  did you mean --harness?\n"],
    [['run', '-x'], "error: unknown option '-x'\n  --help lists the flags; a prompt that begins with - comes after --\n"],
    [['run', 'fix', 'it'], 'put a prompt of several words in quotes'],
    [['run', '--model'], "option '--model <NAME>' argument missing"],
    [['run'], 'error: what should be done is missing'],
    [['run', ''], 'error: the prompt is empty'],
    [['run', '-'], 'error: standard input is empty'],
    [['run', '-f', 'x.yaml', 'and a prompt'], 'error: a prompt and --file are two sources'],
    [['run', '-f', 'none.yaml'], 'error: cannot read'],
    [['get'], "missing required argument 'TASK'"],
    [['get', 'XYZ'], 'error: "XYZ" is no task'],
    [['logs', '-', '--attempt', '0'], 'must be a whole number, 1 to'],
    [['logs', '-', '--setup', '--gate', 'test'], "option '--setup' cannot be used with option '--gate <NAME>'"],
    [['unblok', '-'], 'did you mean unblock?'],
    [['down', '--leave', '--drain'], "option '--leave' cannot be used with option '--drain'"],
    [['up', '--idle', 'soon'], '--idle "soon" is not a duration'],
    [['ls', '--color', 'sometimes'], 'Allowed choices are auto, always, never'],
    // Listed for later: unknown until they do something.
    ...['--review', '--depends-on'].map((flag): [string[], string] => [['run', flag, 'x', 'y'], `unknown option '${flag}'`]),
  ])('%j', async (argv, text) => {
    const { code, stdout, stderr } = await type(argv);
    expect(stderr).toContain(text);
    expect(code).toBe(2);
    expect(stdout).toBe('');
  });

  test('with --json in one object on stderr', async () => {
    const { stderr } = await type(['run', '--json', '--harnes', 'x']);
    expect(stderr).toBe(
      `${JSON.stringify({ error: { code: 'invalid_argument', reason: 'USAGE', message: "unknown option '--harnes'", hint: 'did you mean --harness?', metadata: {} } })}\n`,
    );
    expect((await type(['run', '--', '--json', 'x'])).stderr).toMatch(/^error: /);
  });
});

describe('without a daemon', () => {
  test.each([
    ['status'],
    ['ls'],
    ['get', '-'],
    ['watch'],
    ['logs', '-'],
    ['cancel', '-'],
    ['terminate', '-'],
    ['unblock', '-'],
    ['diff', '-'],
    ['apply', '-'],
  ])('%s ends with 69', async (...argv) => {
    const { code, stderr } = await type(argv);
    expect(stderr).toContain('no daemon runs for the state folder /proc/none\n  singletree up --detach');
    expect(code).toBe(69);
  });

  test('one that was named by its address is not started', async () => {
    const { code, stderr } = await type(['run', '--address', 'unix:/nowhere.sock', 'x']);
    expect([code, stderr]).toEqual([69, 'error: no daemon answers at unix:/nowhere.sock (ENOENT)\n  singletree up --detach\n']);
  });

  test('down has nothing to do', async () => expect(await type(['down'])).toEqual({ code: 0, stdout: '', stderr: 'no daemon runs\n' }));

  test('run says why it cannot start one', async () => {
    const { code, stderr } = await type(['run', '--json', 'x']);
    expect(code).toBe(78);
    expect(JSON.parse(stderr)).toMatchObject({ error: { reason: 'STATE_FOLDER_NOT_WRITABLE', metadata: { path: '/proc/none' } } });
  });

  test('alone it says what to type first, later how to go on', async () => {
    const first = await type([]);
    expect([first.code, first.stderr]).toEqual([0, '']);
    for (const command of ['singletree demo', 'singletree harnesses', 'singletree run']) expect(first.stdout).toContain(command);
    mkdirSync(join(folder.path, 'etc/singletree'), { recursive: true });
    writeFileSync(join(folder.path, 'etc/singletree/config.yaml'), '');
    const later = await type([], { XDG_CONFIG_HOME: join(folder.path, 'etc') });
    expect(later.stdout).toContain('no daemon runs');
    expect(later.stdout).toContain('singletree up --detach');
    expect((await type(['--json'])).stdout).toBe('{}\n');
  });
});

describe('help', () => {
  const names = [
    'demo',
    'run',
    'ls',
    'get',
    'watch',
    'logs',
    'diff',
    'apply',
    'cancel',
    'terminate',
    'unblock',
    'rerun',
    'up',
    'down',
    'status',
    'harnesses',
    'doctor',
    'version',
  ];

  test('lists every command, the marks, and where the exit codes are', async () => {
    const { code, stdout, stderr } = await type(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const name of names) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(stdout).toContain('● in progress   ✓ success   ◐ partial');
    expect(stdout).toContain('singletree help exit-codes');
    expect(stdout).not.toContain('overview');
    expect((await type(['help'])).stdout).toBe(stdout);
    expect((await type(['--help'], { TERM: 'dumb' })).stdout).toContain('* in progress   + success   ~ partial');
  });

  test.each(names)('%s has its own, with an example and the common flags', async (name) => {
    const { code, stdout } = await type([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples?:\n {2}.*singletree|Examples?:\n {2}.*npm start/);
    for (const flag of ['--json', '--quiet', '--state', '--address', '--color', '--help']) expect(stdout).toContain(flag);
    expect((await type(['help', name])).stdout).toBe(stdout);
  });

  test('exit codes have a page', async () => {
    expect((await type(['help', 'exit-codes'])).stdout).toMatch(/^ {3}69 {3}no daemon reachable$/m);
    expect((await type(['help', 'exit-codes'])).stdout).toMatch(/^ {4}1 {3}failure.* state folder that is in use$/m);
    expect(JSON.parse((await type(['help', 'exit-codes', '--json'])).stdout)).toContainEqual({ code: 130, meaning: 'cancelled' });
  });
});

test('the version, also as a flag', async () => {
  const { stdout } = await type(['version', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/), node: process.version.slice(1) });
  expect((await type(['--version', '--json'])).stdout).toBe(stdout);
  expect((await type(['--json', 'version'])).stdout).toBe(stdout);
});
