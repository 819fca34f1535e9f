import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { modulesOf, repositoryOf } from './repository-modules.ts';

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

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'singletree-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}
