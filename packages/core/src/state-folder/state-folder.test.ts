import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeAddress } from './address.ts';
import { lockHolder } from './lock.ts';
import { folderOperations, type FolderOperations } from './probe.ts';
import { StateFolderInUse, StateFolderRefused } from './refused.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';

let base: string;
let state: string;
const opened: StateFolder[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-')));
  state = join(base, 'state');
});
afterEach(async () => {
  for (const folder of opened.splice(0)) folder.release();
  for (const child of children.splice(0)) await end(child);
  rmSync(base, { recursive: true, force: true });
});

function open(path: string = state, operations?: FolderOperations): StateFolder {
  const folder = openStateFolder(path, operations);
  opened.push(folder);
  return folder;
}

function refusalOf(path: string, operations?: FolderOperations): StateFolderRefused {
  try {
    open(path, operations);
  } catch (error) {
    if (error instanceof StateFolderRefused) return error;
    throw error;
  }
  throw new Error(`${path} was not refused`);
}

describe('a folder that is made', () => {
  test('is private, with the folders above it, and holds the folders of the rooms', () => {
    const { paths, warnings } = open(join(base, 'a/b/state'));
    for (const path of [join(base, 'a'), join(base, 'a/b'), paths.root, paths.processes, paths.worktrees, paths.gitHome]) {
      expect([path, lstatSync(path).mode & 0o777]).toEqual([path, 0o700]);
    }
    expect(warnings).toEqual([]);
    for (const path of Object.values(paths)) expect(`${path}/`).toMatch(new RegExp(`^${join(base, 'a/b/state')}/`));
  });

  test('is private whatever the umask is', () => {
    const before = process.umask(0o777);
    try {
      mkdirSync(base, { recursive: true });
      open();
    } finally {
      process.umask(before);
    }
    expect(lstatSync(state).mode & 0o777).toBe(0o700);
  });

  test('is found again, and nothing is left of the trial', () => {
    open().release();
    open();
    expect(readdirSync(state).sort()).toEqual(['git-home', 'lock.db', 'processes', 'worktrees']);
  });

  test('on a file system in memory comes with a warning', () => {
    const inMemory = mkdtempSync('/dev/shm/singletree-');
    try {
      const { warnings, release } = openStateFolder(inMemory);
      release();
      expect(warnings).toEqual([expect.stringMatching(/in memory \(tmpfs\).*do not survive a reboot/)]);
    } finally {
      rmSync(inMemory, { recursive: true });
    }
  });
});

describe('a folder is refused', () => {
  test('if it is a symbolic link, to something or to nothing, with a slash or without', () => {
    mkdirSync(join(base, 'real'), { mode: 0o700 });
    symlinkSync('real', state);
    symlinkSync('nothing', join(base, 'dangling'));
    for (const path of [state, `${state}/`, join(base, 'dangling')]) {
      const refusal = refusalOf(path);
      expect(refusal.reason).toBe('STATE_FOLDER_SYMLINK');
      expect(refusal.hint).toContain('readlink -f');
    }
    expect(readdirSync(join(base, 'real'))).toEqual([]);
  });

  test('if it is a file', () => {
    writeFileSync(state, '');
    expect(refusalOf(state).reason).toBe('STATE_FOLDER_NOT_A_FOLDER');
  });

  test('if it belongs to somebody else', () => {
    // Only root can give a folder away; for everybody else the root folder is somebody else's.
    const isRoot = process.geteuid?.() === 0;
    mkdirSync(state, { mode: 0o700 });
    if (isRoot) chownSync(state, 65534, 65534);
    const refusal = refusalOf(isRoot ? state : '/');
    expect(refusal.reason).toBe('STATE_FOLDER_FOREIGN');
    expect(refusal.message).toMatch(/belongs to another user \(uid \d+; this is uid \d+\)/);
    expect(refusal.hint).toContain('--state');
  });

  test.each([0o755, 0o750, 0o701, 0o720])('if others have rights (mode %o), with the command that mends it', (mode) => {
    const path = join(base, `it's`);
    mkdirSync(path);
    chmodSync(path, mode);
    const refusal = refusalOf(path);
    expect(refusal.reason).toBe('STATE_FOLDER_OPEN_TO_OTHERS');
    expect(refusal.message).toContain(`mode 0${mode.toString(8)}`);
    expect(refusal.hint).toBe(`chmod 700 '${base}/it'\\''s'`);
  });

  test.each([
    ['processes', 'file', 'mv'],
    ['singletree.db', 'folder', 'mv'],
    ['daemon.log', 'folder', 'mv'],
    ['singletree.sock', 'folder', 'mv'],
    ['lock.db', 'folder', 'mv'],
    ['lock.db', 'file', 'rm'],
  ] as const)('if something stands where its own should: %s is a %s', (name, kind, fix) => {
    mkdirSync(state, { mode: 0o700 });
    const path = join(state, name);
    if (kind === 'file') writeFileSync(path, 'not ours\n'.repeat(500));
    else mkdirSync(path);
    const refusal = refusalOf(state);
    expect([refusal.reason, refusal.message, refusal.hint]).toEqual([
      'STATE_FOLDER_OBSTRUCTED',
      expect.stringContaining(path),
      expect.stringMatching(new RegExp(`^${fix} '${path}'`)),
    ]);
  });

  test('if it cannot be made', () => {
    writeFileSync(join(base, 'file'), '');
    const refusal = refusalOf(join(base, 'file/state'));
    expect(refusal.reason).toBe('STATE_FOLDER_NOT_WRITABLE');
    expect(refusal.message).toContain('ENOTDIR');
    expect(refusalOf('/proc/state').reason).toBe('STATE_FOLDER_NOT_WRITABLE');
  });
});

describe('a file system that lacks something is refused with path, file system and --state', () => {
  const failing = (code: string) => () => {
    throw Object.assign(new Error(`${code}: no`), { code });
  };

  test.each<[string, Partial<FolderOperations>, string, string]>([
    ['read-only', { write: failing('EROFS') }, 'STATE_FOLDER_NOT_WRITABLE', 'is not writable'],
    ['without the right to write', { write: failing('EACCES') }, 'STATE_FOLDER_NOT_WRITABLE', 'is not writable'],
    ['full', { write: failing('ENOSPC') }, 'STATE_FOLDER_NOT_WRITABLE', 'is full'],
    ['full at sync', { sync: failing('ENOSPC') }, 'STATE_FOLDER_NOT_WRITABLE', 'is full'],
    ['without sync', { sync: failing('EINVAL') }, 'STATE_FOLDER_UNSUPPORTED', 'does not support fsync'],
    ['without link', { link: failing('EPERM') }, 'STATE_FOLDER_UNSUPPORTED', 'does not support link'],
    ['whose link does not exclude', { link: () => {} }, 'STATE_FOLDER_UNSUPPORTED', 'a second link to the same name did not fail'],
    ['without rename', { rename: failing('EXDEV') }, 'STATE_FOLDER_UNSUPPORTED', 'does not support rename'],
    ['without locks', { lock: failing('ENOLCK') }, 'STATE_FOLDER_UNSUPPORTED', 'does not support lock'],
  ])('%s', (_, broken, reason, what) => {
    const refusal = refusalOf(state, { ...folderOperations, ...broken });
    expect(refusal.reason).toBe(reason);
    expect(refusal.message).toContain(what);
    expect(refusal.message).toMatch(new RegExp(`${state} \\(file system \\w+, mounted at /`));
    expect(refusal.hint).toContain('--state');
    expect(readdirSync(state).filter((name) => name.startsWith('.probe'))).toEqual([]);
  });
});

describe('one daemon per state folder', { timeout: 20_000 }, () => {
  const address = { address: 'unix:/x.sock', version: '0.1.0', startedAt: 0 };

  test('a second one is refused, with pid and address of the first', async () => {
    const first = await holder();
    expect(refusalOf(state).message).toContain('another daemon, which has no address yet');
    writeAddress(join(state, 'address.json'), { ...address, pid: first.pid! });
    const refusal = refusalOf(state);
    expect(refusal).toBeInstanceOf(StateFolderInUse);
    expect(refusal.reason).toBe('STATE_FOLDER_IN_USE');
    expect(refusal.message).toContain(`the daemon with pid ${first.pid} at unix:/x.sock`);
  });

  test('the address of a dead one is not given for that of the holder', async () => {
    const dead = spawn('/bin/true');
    await once(dead, 'exit');
    await holder();
    writeAddress(join(state, 'address.json'), { ...address, pid: dead.pid! });
    expect(refusalOf(state).message).toContain('no address yet');
  });

  test('it is free at once after kill -9, and the kernel tells who has it', async () => {
    const lock = join(state, 'lock.db');
    expect(lockHolder(lock)).toBeUndefined();
    const first = await holder();
    expect(lockHolder(lock)).toBe(first.pid);
    await end(first);
    expect(lockHolder(lock)).toBeUndefined();
    const withoutWaiting = new DatabaseSync(join(state, 'lock.db'), { timeout: 0 });
    withoutWaiting.exec('BEGIN EXCLUSIVE');
    withoutWaiting.close();
    open();
  });

  test('in one process too, until it is released; release takes the address away', () => {
    const first = open();
    first.leaveAddress({ ...address, pid: process.pid });
    expect(existsSync(first.paths.address)).toBe(true);
    expect(refusalOf(state)).toBeInstanceOf(StateFolderInUse);
    first.release();
    first.release();
    expect(existsSync(first.paths.address)).toBe(false);
    open();
  });

  test('a garbage collection does not free it', async () => {
    const first = await holder('--expose-gc', 'setInterval(() => gc(), 5)');
    await new Promise((resolve) => first.stdout!.once('data', resolve));
    expect(refusalOf(state)).toBeInstanceOf(StateFolderInUse);
  });

  test('of several that start at the same instant exactly one gets it', async () => {
    const racers = await Promise.all(Array.from({ length: 4 }, () => racer()));
    for (const { child } of racers) child.stdin!.write('go\n');
    const outcomes = await Promise.all(racers.map(({ line }) => line()));
    expect(outcomes.sort()).toEqual(['STATE_FOLDER_IN_USE', 'STATE_FOLDER_IN_USE', 'STATE_FOLDER_IN_USE', 'held']);
  });
});

const program = `
  import { openStateFolder } from ${JSON.stringify(new URL('state-folder.ts', import.meta.url).href)};
  const attempt = () => {
    try {
      openStateFolder(process.argv[1]);
      console.log('held');
    } catch (error) {
      console.log(error.reason ?? error);
    }
  };
  setInterval(() => {}, 1000);
`;

function run(script: string, ...flags: string[]): { child: ChildProcess; line: () => Promise<string> } {
  const child = spawn(process.execPath, [...flags, '--no-warnings', '--input-type=module', '-e', program + script, state], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

/** A process that holds the folder. */
async function holder(flag = '--no-warnings', script = ''): Promise<ChildProcess> {
  const { child, line } = run(`attempt(); ${script && `${script}; setTimeout(() => console.log('later'), 200);`}`, flag);
  expect(await line()).toBe('held');
  return child;
}

/** A process that tries to get it as soon as it is told to. */
async function racer(): Promise<{ child: ChildProcess; line: () => Promise<string> }> {
  const started = run(`process.stdin.once('data', attempt); console.log('ready');`);
  expect(await started.line()).toBe('ready');
  return started;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
