import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Harness } from '@singletree/harness';
import { afterAll, describe, expect, test } from 'vitest';
import type { Plugin } from '../plugins/catalogue.ts';
import { readContextFile } from './context-file.ts';
import { readRegularFile } from './regular-file.ts';
import { isSessionId, readSessionFiles } from './session-files.ts';

/** Files that an agent or a repository chose: none of them may hold the daemon or lead it elsewhere. */

const folder = mkdtempSync(join(tmpdir(), 'singletree-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

writeFileSync(at('outside.txt'), 'outside');
mkdirSync(at('w/directory'), { recursive: true });
writeFileSync(at('w/ten.txt'), '0123456789');
writeFileSync(at('w/latin1.txt'), Buffer.from([0x67, 0xfc, 0x6e]));
writeFileSync(at('w/nul.txt'), 'é\0');
writeFileSync(at('w/large.txt'), 'x'.repeat(1024 * 1024 + 1));
execFileSync('sh', ['-c', 'mkfifo "$1"', 'sh', at('w/fifo')]);
symlinkSync('ten.txt', at('w/link'));
symlinkSync('nowhere', at('w/broken'));
symlinkSync('../outside.txt', at('w/leads-out'));
symlinkSync('fifo', at('w/link-to-fifo'));

describe('a regular file', () => {
  test('is read up to the limit', async () => {
    expect(await readRegularFile(at('w/ten.txt'), 10)).toEqual({ bytes: Buffer.from('0123456789') });
  });

  test.each([
    ['larger than the limit', 'w/large.txt', 'is larger than 10 bytes'],
    ['a FIFO that nobody writes', 'w/fifo', 'is not a regular file'],
    ['a directory', 'w/directory', 'is not a regular file'],
    ['a device', join('..', ...folder.split('/').map(() => '..'), 'dev/zero'), 'is not a regular file'],
    ['a link', 'w/link', 'is a symbolic link'],
    ['a link to nothing', 'w/broken', 'is a symbolic link'],
    ['missing', 'w/missing', 'does not exist'],
    ['below a file', 'w/ten.txt/x', 'does not exist'],
  ])('is refused at once: %s', async (_, name, refused) => expect(await readRegularFile(at(name), 10)).toEqual({ refused }));
});

describe('a context file', () => {
  test.each([
    ['w/ten.txt', 'ten.txt'],
    ['a link within the workspace', 'link'],
    ['the long way', 'directory/../ten.txt'],
  ])('is read: %s', async (_, path) => expect(await readContextFile(at('w'), path)).toEqual({ text: '0123456789' }));

  test.each([
    ['missing', 'missing.txt', 'does not exist in the workspace'],
    ['outside', '../outside.txt', 'is not in the workspace'],
    ['outside, by a link', 'leads-out', 'is not in the workspace'],
    ['the workspace itself', '.', 'is not in the workspace'],
    ['a directory', 'directory', 'is not a regular file'],
    ['a link to a FIFO', 'link-to-fifo', 'is not a regular file'],
    ['larger than 1 MiB', 'large.txt', 'is larger than 1048576 bytes'],
    ['no UTF-8', 'latin1.txt', 'is not valid UTF-8 at byte 1'],
    ['a NUL', 'nul.txt', 'holds a NUL at byte 2'],
  ])('is refused: %s', async (_, path, refused) => expect(await readContextFile(at('w'), path)).toEqual({ refused }));
});

test.each(['worktree', 'clone'] as const)('a context file that is not in a %s may only have to be committed', async (mode) => {
  expect(await readContextFile(at('w'), 'missing.txt', mode)).toEqual({
    refused: `does not exist in the workspace: a ${mode} has only what is committed; commit it, or work in place`,
  });
});

describe('session files', () => {
  const read = (...patterns: string[]) =>
    readSessionFiles({ harness: { sessionFiles: () => patterns } as Partial<Harness> as Harness } as Plugin, 's', { HOME: folder });

  test('are read where they are regular files; what else bears their name makes them incomplete', async () => {
    expect(await read('w/ten.*')).toEqual({ files: [{ path: 'w/ten.txt', bytes: Buffer.from('0123456789') }], incomplete: false });
    expect(await read('w/missing', 'nowhere/*')).toEqual({ files: [], incomplete: false });
    for (const name of ['fifo', 'directory', 'broken', 'leads-out'])
      expect(await read('w/ten.txt', `w/${name}`), name).toMatchObject({ files: [{ path: 'w/ten.txt' }], incomplete: true });
  });

  test('may lie in the folder of a variable, and each is read once, by whichever name', async () => {
    const files = (patterns: readonly string[], environment: Record<string, string>) =>
      readSessionFiles({ harness: { sessionFiles: () => patterns } as Partial<Harness> as Harness } as Plugin, 's', environment);
    const ten = { path: '$CLI_HOME/ten.txt', bytes: Buffer.from('0123456789') };
    expect(await files(['$CLI_HOME/ten.*', 'w/ten.txt'], { HOME: folder, CLI_HOME: at('w') })).toEqual({ files: [ten], incomplete: false });
    expect(await files(['$CLI_HOME/ten.*'], { HOME: folder })).toEqual({ files: [], incomplete: false });
    expect(await files(['$CLI_HOME/ten.*'], { HOME: folder, CLI_HOME: 'w' })).toEqual({ files: [], incomplete: false });
  });

  test('may name further ones', async () => {
    mkdirSync(at('w2'));
    writeFileSync(at('w2/next'), 'next');
    const naming = { sessionFiles: (_: string, found: readonly { path: string }[]) => ['w/ten.txt', ...found.map(() => 'w2/*')] };
    const { files } = await readSessionFiles({ harness: naming as Partial<Harness> as Harness } as Plugin, 's', { HOME: folder });
    expect(files.map(({ path }) => path)).toEqual(['w/ten.txt', 'w2/next']);
  });

  test('that never come to an end are incomplete', async () => {
    let named = 0;
    const harness = { sessionFiles: () => Array.from({ length: 400 }, () => `w/missing-${(named += 1)}`) };
    expect(await readSessionFiles({ harness: harness as Partial<Harness> as Harness } as Plugin, 's', { HOME: folder })).toEqual({
      files: [],
      incomplete: true,
    });
  });

  test('are at most 1000', async () => {
    mkdirSync(at('many'));
    for (let n = 0; n <= 1000; n += 1) writeFileSync(at(`many/${n}`), '');
    const { files, incomplete } = await read('many/*');
    expect([files.length, incomplete]).toEqual([1000, true]);
  });

  test.each(['01a1fef3-7dcc-7317', 'ses_4f.x', 'a', 'a'.repeat(128)])('may be asked for by %s', (id) => expect(isSessionId(id)).toBe(true));
  test.each([undefined, '', '*', '../../x', 'a/b', '--resume', '.', 'a b', 'a*', '{a,b}', 'a\n', 'a'.repeat(129)])(
    'may not be asked for by %j',
    (id) => expect(isSessionId(id)).toBe(false),
  );
});
