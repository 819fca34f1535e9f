import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { foreignModules, modulesOf, namesPlugins, repositoryOf } from './repository-modules.ts';

test('modules of the repository are those below its top, by its name and by its real path', () => {
  using folder = temporaryFolder();
  const [top, deep, link] = [join(folder.path, 'a+b (1)'), join(folder.path, 'a+b (1)/c/d'), join(folder.path, 'link')];
  mkdirSync(deep, { recursive: true });
  symlinkSync(top, link);
  expect(repositoryOf(deep), 'no repository').toBe(deep);
  mkdirSync(join(top, '.git'));
  expect(repositoryOf(deep)).toBe(top);

  const filter = modulesOf(link);
  expect(filter.test(join(link, '.opencode/plugin/x.js'))).toBe(true);
  expect(filter.test(join(top, 'x.ts'))).toBe(true);
  expect(filter.test(`${top}x/y.ts`)).toBe(false);
  expect(filter.test(join(folder.path, 'x.ts'))).toBe(false);
});

test.each([
  ['{ "mcp": {} }', false],
  ['{ "plugin": ["a"] }', true],
  ['{ "PLUGINS": ["a"] }', true],
  [String.raw`{ "\u0070lugin": ["a"] }`, true],
])('a configuration %s above the folder may name plugins: %s', (text, expected) => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, '.git'));
  mkdirSync(join(folder.path, 'a/b'), { recursive: true });
  mkdirSync(join(folder.path, '.opencode'));
  writeFileSync(join(folder.path, '.opencode/opencode.jsonc'), text);
  expect(namesPlugins(join(folder.path, 'a/b'))).toBe(expected);
});

test("foreign is what is neither OpenCode's own nor ours", () => {
  const filter = foreignModules('/opt/us');
  expect(
    ['/$bunfs/root/chunk.js', '/opt/us/meter.ts', '/home/me/.cache/opencode/packages/x/index.js', '/opt/usx/a.js'].map((path) =>
      filter.test(path),
    ),
  ).toEqual([false, false, true, true]);
});

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'singletree-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
