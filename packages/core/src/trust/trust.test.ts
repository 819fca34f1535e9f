import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DomainError } from '../errors.ts';
import { isTrusted } from './covers.ts';
import { changeTrust, readTrust, trustFile, type TrustedFolder } from './record.ts';

let home: string;
let file: string;

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'singletree-trust-')));
  file = trustFile({ HOME: home }) ?? '';
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const since = Date.parse('2026-11-21T12:00:00Z');

function folder(...names: string[]): string {
  const path = join(home, ...names);
  mkdirSync(path, { recursive: true });
  return path;
}

function trust(...paths: string[]): void {
  changeTrust(file, (folders) => [...folders, ...paths.map((path): TrustedFolder => ({ path, since }))]);
}

function complaint(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.reason).toBe('INVALID_CONFIGURATION');
    return [error.message, error.hint].filter(Boolean).join('\n').replaceAll(home, '~');
  }
  throw new Error('nothing was wrong');
}

describe('the record', () => {
  test.each([
    [{ HOME: '/h', XDG_CONFIG_HOME: '/x' }, '/x/singletree/trusted.json'],
    [{ HOME: '/h', XDG_CONFIG_HOME: '' }, '/h/.config/singletree/trusted.json'],
    [{}, undefined],
  ])('of %j is %s', (environment, path) => expect(trustFile(environment)).toBe(path));

  test('that is not there trusts nothing', () => {
    expect(readTrust(file)).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });

  test('keeps what is trusted, for its owner alone', () => {
    trust('/a');
    trust('/b c');
    expect(readTrust(file)).toEqual([
      { path: '/a', since },
      { path: '/b c', since },
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      version: 1,
      folders: [{ path: '/a', since: '2026-11-21T12:00:00.000Z' }, {}],
    });
  });

  test('is whole after a change that fails', () => {
    trust('/a');
    expect(() =>
      changeTrust(file, () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(readTrust(file)).toHaveLength(1);
    trust('/b');
    expect(readTrust(file)).toHaveLength(2);
  });

  test('is changed by one at a time', () => {
    changeTrust(file, (folders) => {
      expect(complaint(() => trust('/b'))).toBe(
        "~/.config/singletree/trusted.json.new, which says what is trusted, is there: the record is being changed, or was when the machine stopped\nif nothing changes it now: rm '~/.config/singletree/trusted.json.new'",
      );
      return [...folders, { path: '/a', since }];
    });
    expect(readTrust(file)).toEqual([{ path: '/a', since }]);
  });

  const path = '~/.config/singletree/trusted.json';
  test.each([
    ['', 'Unexpected end of JSON input'],
    ['{', 'Expected property name'],
    ['[]', 'Invalid input: expected object, received array'],
    ['{"version":2,"folders":[]}', 'version: Invalid input: expected 1'],
    ['{"version":1}', 'folders: Invalid input: expected array, received undefined'],
    ['{"version":1,"folders":[{"path":"a","since":"2026-11-21T12:00:00Z"}]}', 'folders.0.path: not an absolute path without . and ..'],
    ...['/', '/a/', '/a/..', '/a/../b', '/./a', '//a', '/a//b', '/a/.'].map((odd) => [
      JSON.stringify({ version: 1, folders: [{ path: odd, since: '2026-11-21T12:00:00Z' }] }),
      'folders.0.path: not an absolute path without . and ..',
    ]),
    ['{"version":1,"folders":[{"path":"/a","since":"yesterday"}]}', 'folders.0.since: Invalid ISO datetime'],
    ['{"version":1,"folders":[],"more":1}', 'Unrecognized key: "more"'],
  ])('that is damaged, %s, is told and not taken for an empty one', (text, why) => {
    trust('/a');
    writeFileSync(file, text);
    const [message, hint] = complaint(() => readTrust(file)).split('\n');
    const begin = `${path}, which says what is trusted, is damaged: `;
    expect(message?.slice(0, begin.length)).toBe(begin);
    expect(message?.slice(begin.length)).toContain(why);
    expect(hint).toBe(`mend it, or begin again without it: rm '${path}'`);
    expect(complaint(() => trust('/b'))).toContain('is damaged');
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(existsSync(`${file}.new`)).toBe(false);
  });

  test.each([0o620, 0o602, 0o666])('that others can write (%o) is refused', (mode) => {
    trust('/a');
    chmodSync(file, mode);
    expect(complaint(() => readTrust(file))).toBe(
      `${path}, which says what is trusted, can be written by others\nlook at what it says, then: chmod go-w '${path}'`,
    );
  });

  test('in a folder that others can write is refused, before and after there is one', () => {
    folder('.config', 'singletree');
    chmodSync(join(file, '..'), 0o777);
    const told =
      "~/.config/singletree, which says what is trusted, can be written by others\nlook at what it says, then: chmod go-w '~/.config/singletree'";
    expect(complaint(() => trust('/a'))).toBe(told);
    chmodSync(join(file, '..'), 0o700);
    trust('/a');
    chmodSync(join(file, '..'), 0o770);
    expect(complaint(() => readTrust(file))).toBe(told);
  });

  test('that is a symbolic link, a folder or a pipe is refused', () => {
    trust('/a');
    renameSync(file, `${file}.elsewhere`);
    symlinkSync(`${file}.elsewhere`, file);
    expect(complaint(() => readTrust(file))).toBe(`${path}, which says what is trusted, is a symbolic link`);
    rmSync(file);
    mkdirSync(file);
    expect(complaint(() => readTrust(file))).toBe(`${path}, which says what is trusted, is no file`);
  });

  test.skipIf(process.geteuid?.() !== 0)('of another user is refused', async () => {
    const { chownSync } = await import('node:fs');
    trust('/a');
    chownSync(file, 12_345, 12_345);
    expect(complaint(() => readTrust(file))).toBe(
      `${path}, which says what is trusted, belongs to another user (uid 12345; this is uid 0)`,
    );
  });
});

describe('a workspace', () => {
  /** In place, where the checkout is the directory that was named. */
  const inPlace = async (named: string): Promise<boolean> => await isTrusted(file, { root: named, cwd: named, named });

  test('is trusted with the folder itself and with any above it, and with none beside or below it', async () => {
    trust(folder('src'));
    folder('src', 'shop', 'sub');
    folder('src-other');
    for (const [path, trusted] of Object.entries({ src: true, 'src/shop': true, 'src/shop/sub': true, 'src-other': false, '.': false })) {
      expect(await inPlace(join(home, path)), path).toBe(trusted);
    }
  });

  test('is what its path really is', async () => {
    trust(folder('trusted'));
    folder('other');
    symlinkSync(join(home, 'other'), join(home, 'trusted', 'link'));
    symlinkSync(join(home, 'trusted'), join(home, 'alias'));
    expect(await inPlace(join(home, 'trusted', 'link'))).toBe(false);
    expect(await inPlace(join(home, 'alias'))).toBe(true);
    expect(await inPlace(`${home}/trusted/../other`)).toBe(false);
    expect(await inPlace(`${home}/other/../trusted`)).toBe(true);
  });

  test('that was exchanged for a link to elsewhere is not trusted any more', async () => {
    trust(folder('trusted'));
    folder('other');
    renameSync(join(home, 'trusted'), join(home, 'away'));
    symlinkSync(join(home, 'other'), join(home, 'trusted'));
    expect(await inPlace(join(home, 'trusted'))).toBe(false);
    expect(await inPlace(join(home, 'away'))).toBe(false);
  });

  test('that is gone is not trusted', async () => {
    trust(folder('trusted'));
    rmSync(join(home, 'trusted'), { recursive: true });
    expect(await inPlace(join(home, 'trusted'))).toBe(false);
  });

  test('in a checkout of its own is as the repository that was named', async () => {
    trust(folder('repo'));
    folder('repo', 'sub');
    const worktree = folder('state', 'worktrees', 'task', 'repo');
    const of = async (named: string, below: string): Promise<boolean> =>
      await isTrusted(file, { root: worktree, cwd: join(worktree, below), named });
    expect(await of(join(home, 'repo'), '')).toBe(true);
    expect(await of(join(home, 'repo', 'sub'), 'sub')).toBe(true);
    expect(await of(folder('other'), '')).toBe(false);
  });

  test('is not trusted with a folder inside of its checkout: agents read the configuration of the whole', async () => {
    const sub = folder('repo', 'sub');
    trust(sub);
    expect(await isTrusted(file, { root: '/state/t/repo', cwd: '/state/t/repo/sub', named: sub })).toBe(false);
    expect(await isTrusted(file, { root: join(home, 'repo'), cwd: sub, named: sub })).toBe(false);
  });

  test('is asked about anew each time', async () => {
    const repo = folder('repo');
    expect(await inPlace(repo)).toBe(false);
    trust(repo);
    expect(await inPlace(repo)).toBe(true);
    changeTrust(file, () => []);
    expect(await inPlace(repo)).toBe(false);
  });

  test('of somebody without a home is not trusted', async () => {
    expect(await isTrusted(undefined, { root: '/a', cwd: '/a', named: '/a' })).toBe(false);
  });
});
