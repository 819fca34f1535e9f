import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KillSwitch } from './kill-switch.ts';

const folder = mkdtempSync(join(tmpdir(), 'singletree-kill-switch-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const newFile = (): string => join(folder, String((count += 1)));
/** As the daemon does it: written aside and renamed. */
function put(file: string, content: unknown): void {
  writeFileSync(`${file}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  renameSync(`${file}.new`, file);
}
const on = (scope: string): unknown => ({ switches: [{ scope, by: 'ann', why: 'fire', at: 7 }] });
const watching = (file: string): KillSwitch => new KillSwitch({ file, scopes: ['all', 'harness=codex'] });

test('a switch of one of the scopes is a hit, as long as it is on', () => {
  const file = newFile();
  const killSwitch = watching(file);
  expect(killSwitch.hit(), 'no file').toBeUndefined();
  put(file, { switches: [] });
  expect(killSwitch.hit()).toBeUndefined();
  put(file, { switches: [{ scope: 'harness=claude_code' }, { scope: 'harness=codex', by: 'ann', why: 'fire', at: 7 }] });
  const stop = { kind: 'kill', hardness: 'kill', by: 'ann', at: 7 };
  expect(killSwitch.hit()).toEqual(stop);
  expect(killSwitch.hit(), 'and stays one').toEqual(stop);
  put(file, { switches: [] });
  expect(killSwitch.hit()).toBeUndefined();
});

test.each(['harness=claude_code', 'al', 'all ', 'ALL', 'harness=codex2', 'harness'])(
  'scopes are compared as they are: %s is none',
  (scope) => {
    const file = newFile();
    put(file, on(scope));
    expect(watching(file).hit()).toBeUndefined();
  },
);

test('who turned it on need not be told', () => {
  const file = newFile();
  put(file, { switches: [{ scope: 'all' }] });
  expect(watching(file).hit()).toEqual({ kind: 'kill', hardness: 'kill', by: 'kill-switch', at: expect.any(Number) });
});

test('a process that no switch is for reads nothing', () => {
  expect(new KillSwitch(undefined).hit()).toBeUndefined();
});

test.each([
  ['torn', '{"switches":[{"scope":"all"'],
  ['empty', ''],
  ['of zeros', '\0\0\0\0'],
  ['something else', '{"scope":"all"}'],
  ['a list with other things', '{"switches":"all"}'],
])('a file that is %s is no hit, and is read again each time', (_, content) => {
  const file = newFile();
  put(file, content);
  const killSwitch = watching(file);
  expect(() => killSwitch.hit()).toThrow();
  expect(() => killSwitch.hit(), 'although nothing has changed').toThrow();
  put(file, on('all'));
  expect(killSwitch.hit()).toMatchObject({ by: 'ann' });
  put(file, content);
  expect(() => killSwitch.hit(), 'nor does an older hit stand').toThrow();
});

test('one that cannot be opened is no hit either, and the next one is read', () => {
  const file = newFile();
  mkdirSync(file);
  const killSwitch = watching(file);
  expect(() => killSwitch.hit()).toThrow('EISDIR');
  rmSync(file, { recursive: true });
  put(file, on('all'));
  expect(killSwitch.hit()).toMatchObject({ by: 'ann' });
});

test('entries that nobody understands hide no others', () => {
  const file = newFile();
  put(file, { switches: [null, 'all', { scopes: 'all' }, { scope: 'all', by: 'ann', at: 7 }] });
  expect(watching(file).hit()).toMatchObject({ by: 'ann' });
});

test('a file of the same length and time is another one', () => {
  const file = newFile();
  put(file, on('xxx'));
  utimesSync(file, 1, 1);
  const killSwitch = watching(file);
  expect(killSwitch.hit()).toBeUndefined();
  writeFileSync(`${file}.new`, JSON.stringify(on('all')));
  utimesSync(`${file}.new`, 1, 1);
  renameSync(`${file}.new`, file);
  expect(killSwitch.hit()).toMatchObject({ by: 'ann' });
});
