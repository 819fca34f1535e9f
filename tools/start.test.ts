import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/** `./singletree` and tools/run.mjs in a small checkout, with a PATH whose `node` and `pnpm` only tell how they were called. */

const root = dirname(import.meta.dirname);
const nodeVersion = readFileSync(join(root, '.node-version'), 'utf8').trim();
let checkout: string;
let bin: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'singletree-start-'));
  bin = join(checkout, 'bin');
  for (const file of ['singletree', 'tools/run.mjs', '.node-version', 'package.json']) put(file, readFileSync(join(root, file)));
  put('pnpm-lock.yaml', '');
  put('pnpm-workspace.yaml', '');
  put('packages/cli/package.json', '{}');
  put(
    'packages/cli/src/main.ts',
    'const { argv, cwd, env }: typeof process = process;\nconsole.log(JSON.stringify([argv.slice(2), cwd(), env.SINGLETREE_USER_PATH, env.NODE_OF]));',
  );
});

afterEach(() => rmSync(checkout, { recursive: true }));

describe('./singletree', () => {
  beforeEach(() => {
    put('node_modules/.installed', '');
    node(
      join(checkout, '.toolchain', `node-${nodeVersion}`, 'node_modules', `node-linux-${process.arch}`, 'bin'),
      nodeVersion,
      'toolchain',
    );
  });

  test.each([
    ['20.20.2', 'toolchain'],
    ['24.2.0', 'toolchain'],
    ['24.14.1', 'toolchain'],
    ['24.15.0', 'PATH'],
    ['24.21.0', 'PATH'],
    ['26.10.0', 'PATH'],
    ['30.0.0', 'PATH'],
  ])('with Node %s on PATH runs that of the %s', (version, expected) => {
    node(bin, version, 'PATH');
    expect(JSON.parse(run(join(checkout, 'singletree'), []).stdout)).toEqual([[], process.cwd(), `${bin}:/usr/bin:/bin`, expected]);
  });

  test('works through a symbolic link, from any folder, with any argument', () => {
    node(bin, '24.21.0', 'PATH');
    mkdirSync(join(checkout, 'else where'));
    symlinkSync('../singletree', join(checkout, 'else where', 'st'));
    const { stdout } = run('./st', ['run', "it's", '', '--', '-x'], join(checkout, 'else where'));
    expect(JSON.parse(stdout)).toEqual([['run', "it's", '', '--', '-x'], join(checkout, 'else where'), `${bin}:/usr/bin:/bin`, 'PATH']);
  });
});

describe('tools/run.mjs', () => {
  beforeEach(() => {
    const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string };
    const pnpm = `.toolchain/${packageManager.replace('@', '-')}/node_modules/.bin/pnpm`;
    put(pnpm, '#!/bin/sh\necho "$@" >>"$PNPM_LOG"\nmkdir -p node_modules\necho "$SINGLETREE_USER_PATH"\nexit "${PNPM_EXIT:-0}"\n', 0o755);
    symlinkSync(process.execPath, join(mkdirs(bin), 'node'));
  });

  const start = (...args: string[]) => run(process.execPath, [join(checkout, 'tools', 'run.mjs'), ...args]);
  const install = 'install --frozen-lockfile --prefer-offline';
  const calls = () => readFileSync(join(checkout, 'pnpm.log'), 'utf8').trim().split('\n');

  test('installs once, and again when a manifest has changed', () => {
    expect(start().stderr).toMatch(/installing the packages/);
    expect(start()).toMatchObject({ stdout: '', stderr: '', status: 0 });
    put('packages/cli/package.json', '{"version":"2.0.0"}');
    start();
    expect(calls()).toEqual([install, install]);
  });

  test('passes arguments on to the script, and its exit status back', () => {
    start();
    const { status } = run(process.execPath, [join(checkout, 'tools', 'run.mjs'), 'verify', '--project', 'unit'], checkout, {
      PNPM_EXIT: '7',
    });
    expect([status, calls().at(-1)]).toEqual([7, '--silent run verify --project unit']);
  });

  test('a failed install says what pnpm said and is tried again', () => {
    const { status, stderr } = run(process.execPath, [join(checkout, 'tools', 'run.mjs')], checkout, { PNPM_EXIT: '1' });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/could not be installed \(pnpm: 1\)\n.+/)]);
    start();
    expect(calls()).toEqual([install, install]);
  });

  test("the user's PATH is kept without what package managers add", () => {
    start();
    const added = [join(checkout, 'node_modules', '.bin'), join(dirname(checkout), 'node_modules', '.bin'), '/x/node-gyp-bin'];
    const own = ['./node_modules/.bin', '/opt/tool/node_modules/.bin', bin, '/usr/bin', '/bin'];
    const { stdout } = run(process.execPath, [join(checkout, 'tools', 'run.mjs'), 'verify'], checkout, {
      PATH: [...added, ...own].join(delimiter),
    });
    // Whatever lies in the checkout was put there by a package manager, this test's own folder included.
    expect(stdout.trim().split(delimiter)).toEqual(own.filter((entry) => entry !== bin));
  });

  test('says that git is missing', () => {
    const { status, stderr } = run(process.execPath, [join(checkout, 'tools', 'run.mjs')], checkout, { PATH: bin });
    expect([status, stderr]).toEqual([1, 'singletree: needs git, which is not on PATH\n']);
  });
});

function put(path: string, content: string | Buffer, mode?: number): void {
  mkdirs(dirname(join(checkout, path)));
  writeFileSync(join(checkout, path), content, { mode: mode ?? (path === 'singletree' ? 0o755 : 0o644) });
}

function mkdirs(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

/** A `node` in `folder` that gives itself out as `version` and lets the program know which one it is. */
function node(folder: string, version: string, name: string): void {
  const script = `#!/bin/sh\n[ "$1" = --version ] && echo v${version} && exit\nNODE_OF=${name} exec '${process.execPath}' "$@"\n`;
  writeFileSync(join(mkdirs(folder), 'node'), script, { mode: 0o755 });
}

function run(command: string, args: string[], cwd?: string, env: Record<string, string> = {}) {
  const base = { PATH: `${bin}:/usr/bin:/bin`, PNPM_LOG: join(checkout, 'pnpm.log') };
  return spawnSync(command, args, { cwd, env: { ...base, ...env }, encoding: 'utf8', timeout: 30_000 });
}
