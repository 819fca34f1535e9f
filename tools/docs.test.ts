import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { exitCodes } from '../packages/cli/src/exit-codes.ts';
import { valuePaths } from '../packages/core/src/config/known-keys.ts';
import { configurationSchema } from '../packages/core/src/config/schema.ts';
import { failpointNames } from '../packages/core/src/failpoints.ts';
import { statePaths } from '../packages/core/src/state-folder/paths.ts';

const root = dirname(import.meta.dirname);
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const pages = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)));

test.each(pages)('%s: relative links lead somewhere', (page) => {
  const links = [
    ...read(page)
      .replaceAll(/^```.*?^```/gms, '')
      .matchAll(/\]\((?!\w+:)([^)\s]+)\)/g),
  ].map(([, link = '']) => link);
  expect(links.filter((link) => !leads(page, link))).toEqual([]);
});

function leads(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
  if (!existsSync(target)) return false;
  return heading === undefined || headings(readFileSync(target, 'utf8')).includes(heading);
}

/** As forges name them in links. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}

describe('docs/architecture.md', () => {
  const page = 'docs/architecture.md';

  test('names every failpoint, and none that is gone', () => {
    const told = read(page).match(
      /(?<=`)(dispatcher|workspace|store|supervision|outbox|shim|control|metrics)\.\w+\.(before|after|middle)(?=`)/g,
    );
    expect(new Set(told)).toEqual(new Set(failpointNames));
  });

  test('names every file of the protocol, and none that is gone', () => {
    const [, union = ''] = /export type ProcessFile =([^;]+);/.exec(read('packages/core/src/supervision/protocol.ts')) ?? [];
    const [, table = ''] = /^## A supervised process$(.*?)^\[`look`\]/ms.exec(read(page)) ?? [];
    const cells = [...table.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell = '']) => cell);
    // `stop/1` is in the folder `stop`.
    expect(new Set(cells.flatMap((cell) => cell.match(/(?<=`)[\w.]+(?=[`/])/g)))).toEqual(new Set(union.match(/[\w.]+(?=')/g)));
  });
});

test('docs/telemetry.md: its examples are configurations', () => {
  const examples = [...read('docs/telemetry.md').matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);
  expect(examples.length).toBeGreaterThan(0);
  for (const text of examples) expect(configurationSchema.safeParse(parse(text)).error, text).toBeUndefined();
});

type Tree = Record<string, unknown>;

describe('docs/configuration.md', () => {
  const page = 'docs/configuration.md';
  const shape = configurationSchema.shape;
  const paths = valuePaths(['ID']).map((path) => (path[0] === 'retry' ? ['retry', 'REASON', ...path.slice(2)] : path).join('.'));
  const keys = [...new Set(paths)];
  const told = [...read(page).matchAll(/^\| `([\w.]+)` \| ([^|]*) \|/gm)]
    .map(([, key = '', cell = '']) => [key, cell] as const)
    // A file of tasks has a key of the same name as one of the configuration's sections.
    .filter(([key]) => Object.hasOwn(shape, key.split('.')[0]!) && key !== 'retry');

  test('names every key', () => {
    expect(told.map(([key]) => key)).toEqual(keys);
  });

  test('gives the true defaults', () => {
    const tree: Tree = {};
    for (const [key, cell] of told.filter(([, each]) => each !== '–')) {
      const path = key.replace('ID', 'claude_code').split('.');
      const text = cell.replaceAll('`', '');
      const value: unknown = /[a-z]/i.test(text) && text !== 'false' && text !== 'true' ? text : JSON.parse(text);
      const above = path.slice(0, -1).reduce<Tree>((at, name) => (at[name] ??= {}) as Tree, tree);
      above[path.at(-1)!] = value;
    }
    expect(configurationSchema.parse(tree)).toEqual(configurationSchema.parse({ harnesses: { claude_code: {} } }));
  });

  test('names every exit code, and what is in the state folder', () => {
    const codes = [...read(page).matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCodes));
    const { root: _, ...paths } = statePaths('/state');
    expect(Object.values(paths).filter((path) => !read(page).includes(`| \`${basename(path)}`))).toEqual([]);
  });
});
