import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** What a shell line that starts the program says on stderr, and its exit code. */
function shell(line: string): readonly [code: number | null, stderr: string] {
  const env = { PATH: process.env['PATH'], NODE: process.execPath, MAIN: join(import.meta.dirname, 'main.ts') };
  const { status, stderr } = spawnSync('sh', ['-c', line], { env, encoding: 'utf8', timeout: 20_000 });
  return [status, stderr];
}

test.each(['stdout', 'stderr'])('a full disk behind %s is one line, or none, and code 1', (stream) => {
  const [code, stderr] = shell(stream === 'stdout' ? '"$NODE" "$MAIN" version > /dev/full' : '"$NODE" "$MAIN" nothing 2> /dev/full');
  expect(code).toBe(1);
  expect(stderr).toMatch(stream === 'stdout' ? /^error: cannot write to standard output: ENOSPC.*\n$/ : /^$/);
});

test('a reader that has gone ends it silently', () => {
  const untilItHasGone = 'trap "" PIPE; while printf x; do :; done 2> /dev/null';
  expect(shell(`{ ${untilItHasGone}; "$NODE" "$MAIN" --help; echo "$?" >&2; } | true`)).toEqual([0, '141\n']);
});
