import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };

/** The checks of the sources as they lie there: each `check:` script of package.json is a test, so all of them run and are counted. */

const root = dirname(import.meta.dirname);
const env = {
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
  BUF_CACHE_DIR: join(root, 'node_modules', '.cache', 'buf'),
  TURBO_TELEMETRY_DISABLED: '1',
  NO_COLOR: '1',
  DO_NOT_TRACK: '1',
};

test.each(Object.entries(manifest.scripts).filter(([name]) => name.startsWith('check:')))('%s: %s', async (_, command) => {
  try {
    await promisify(execFile)('sh', ['-c', command], { cwd: root, env, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    throw error instanceof Error && 'stdout' in error && 'stderr' in error
      ? failure(`${String(error.stdout)}${String(error.stderr)}`)
      : error;
  }
});

test('docs/dependencies.md gives a reason for each pinned package', async () => {
  const [pins, page] = await Promise.all(['pnpm-workspace.yaml', 'docs/dependencies.md'].map((file) => readFile(join(root, file), 'utf8')));
  const pinned = [...(pins?.split(/^catalog:$/m)[1]?.matchAll(/^  '?(?<name>[^':]+)'?: \S+$/gm) ?? [])].map(
    (match) => match.groups?.['name'],
  );
  const explained = [...(page?.matchAll(/^\| `(?<name>[^`]+)` \|/gm) ?? [])].map((match) => match.groups?.['name']);
  expect(new Set(explained)).toEqual(new Set(pinned));
});

/** Says what the command said; where in this file it was started is of no interest. */
function failure(output: string): Error {
  const error = new Error(output);
  error.stack = '';
  return error;
}
