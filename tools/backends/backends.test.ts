import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { temporaryFolder } from '../../packages/testing/src/temp.ts';
import { expect, test } from 'vitest';
import { lock, programOf, sourceOf } from './backends.ts';
import { install, linesOf } from './install.ts';

/** Nothing is fetched or built here: `go` is a shell script. */

const escaped = (text: string): string => text.replaceAll(/[.+]/g, String.raw`\$&`);

test.each(lock.backends)('$name is built of what its go.mod and go.sum name', (backend) => {
  const { module, version, sum } = backend;
  const read = (file: string): string => readFileSync(join(sourceOf(backend), file), 'utf8');
  expect(sum).toMatch(/^h1:[\w+/]{43}=$/);
  expect(read('go.sum')).toContain(`\n${module} ${version} ${sum}\n`);
  expect(read('go.mod')).toMatch(new RegExp(`^(require |\t)${escaped(module)} ${escaped(version)}$`, 'm'));
});

test('the sources name no registry', () => {
  const files = lock.backends.flatMap((backend) => readdirSync(sourceOf(backend)).map((file) => join(sourceOf(backend), file)));
  for (const file of files) expect(readFileSync(file, 'utf8'), file).not.toMatch(/https?:|GOPROXY|GOSUMDB/);
});

/** A `go` that writes down how it was called, and builds a program that says nothing. */
const obedient = `
case "$*" in
  'env GOVERSION') echo go1.26.1 ;;
  *' build '*) echo "$GOFLAGS $*" >>"$CALLS"; for last; do if [ "$o" = yes ]; then printf '#!/bin/sh\\n' >"$last"; chmod +x "$last"; o=; fi; [ "$last" = -o ] && o=yes; done ;;
  'version -m '*) printf '${lock.backends.map(({ module, version, sum }) => `\\tdep\\t${module}\\t${version}\\t${sum}\\n`).join('')}' ;;
esac
exit 0
`;

async function scene(go: string) {
  const folder = await temporaryFolder();
  const tools = join(folder.path, 'tools');
  mkdirSync(tools);
  writeFileSync(join(tools, 'go'), `#!/bin/sh\n${go}`);
  chmodSync(join(tools, 'go'), 0o755);
  const cache = join(folder.path, 'cache');
  const calls = join(folder.path, 'calls');
  writeFileSync(calls, '');
  const env = { PATH: `${tools}${delimiter}${process.env['PATH'] ?? ''}`, SINGLETREE_BACKENDS: cache, CALLS: calls, HOME: folder.path };
  return { cache, calls, env, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test('what was built once is kept, by the name of everything that it was built of', async () => {
  await using made = await scene(obedient);
  const installed = await install(() => {}, made.env);
  expect(linesOf(installed)).toEqual(lock.backends.map(({ part, title }) => `real ${part}: yes (${title})`));
  const calls = readFileSync(made.calls, 'utf8').trim().split('\n');
  expect(calls).toHaveLength(lock.backends.length);
  for (const call of calls) expect(call).toMatch(/^-mod=readonly .* -trimpath .* -o /);
  expect(readdirSync(join(made.cache, 'bin')).toSorted()).toEqual(
    lock.backends.map((each) => programOf(each, made.cache).slice(join(made.cache, 'bin/').length)).toSorted(),
  );

  expect(await install(() => {}, made.env)).toEqual(installed);
  expect(readFileSync(made.calls, 'utf8').trim().split('\n'), 'and built no second time').toEqual(calls);
});

test.each([
  [
    'cannot be had',
    `case "$*" in 'env GOVERSION') echo go1.26.1 ;; *) printf 'go: downloading x\\n# a/package\\nnot served\\n' >&2; exit 1 ;; esac`,
    'not served',
  ],
  ['is another one', `case "$*" in 'env GOVERSION') echo go1.26.1 ;; esac`, 'what was built does not hold'],
  ['needs a newer Go', 'echo go1.9.7', 'Go 1.9.7 is too old'],
])('a part that %s: exit code 3, the reason, and nothing is left', async (_what, go, reason) => {
  await using made = await scene(go);
  const { status, stdout } = spawnSync(process.execPath, [join(import.meta.dirname, 'install.ts')], { env: made.env, encoding: 'utf8' });
  expect(status).toBe(3);
  const lines = stdout.trim().split('\n');
  expect(lines).toHaveLength(lock.backends.length);
  for (const [index, { part }] of lock.backends.entries()) expect(lines[index]).toContain(`real ${part}: no (${reason}`);
  expect(readdirSync(join(made.cache, 'bin'))).toEqual([]);
});
