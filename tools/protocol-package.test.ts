import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The proto files are in the package as it is published, so that any language can be generated from what npm brings. */

const run = promisify(execFile);
const root = dirname(import.meta.dirname);
const source = join(root, 'packages/protocol');
const env = { ...process.env, PATH: [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter) };
let folder = '';
let installed = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'protocol-'));
  installed = join(folder, 'node_modules/@singletree/protocol');
  await mkdir(installed, { recursive: true });
  await run('pnpm', ['pack', '--out', join(folder, 'packed.tgz')], { cwd: source, env });
  await run('tar', ['-xzf', join(folder, 'packed.tgz'), '--strip-components=1', '-C', installed]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('they can be named by the package, each of them', async () => {
  const files = (await readdir(join(root, 'proto'), { recursive: true })).filter((name) => name.endsWith('.proto'));
  expect(files).toContain('singletree/v1/task_service.proto');
  const { resolve } = createRequire(join(folder, 'index.js'));
  for (const file of files) expect(resolve(`@singletree/protocol/proto/${file}`)).toBe(join(installed, 'proto', file));
});

test('they need nothing beside themselves', async () => {
  await run('buf', ['build', join(installed, 'proto'), '--output', '/dev/null'], { env });
});

test('their copy is gone from the sources', () => {
  expect(existsSync(join(source, 'proto'))).toBe(false);
});
