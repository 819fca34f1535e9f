import { describe, expect, test } from 'vitest';
import { hostCall } from '../host.ts';
import { probeReaping } from './reaping.ts';

const own = ['unshare', '--pid', '--fork', '--mount-proc', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];

/** Whether whoever inherits orphans reaps them, as this is told inside a PID namespace whose first process is a shell command. */
async function inNamespaceOf(first: string): Promise<unknown> {
  const program = `import { probeReaping } from ${JSON.stringify(new URL('./reaping.ts', import.meta.url).href)}; console.log(JSON.stringify(await probeReaping(600))); process.kill(1);`;
  const [file = '', ...args] = own;
  const { stdout, stderr, code } = await hostCall(
    file,
    [...args, '/bin/sh', '-c', first, process.execPath, '--input-type=module', '-e', program],
    {
      env: { PATH: '/usr/bin:/bin' },
    },
  );
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout.toString('utf8'));
}

const why = await inNamespaceOf('"$0" "$@"; exit $?').then(
  () => undefined,
  (error: unknown) => String(error).trim(),
);

test('here it is told, or why not', async () => {
  const told = await probeReaping();
  expect(told.kind).toMatch(/^(reaps|does_not_reap|cannot_tell)$/);
  if (told.kind === 'reaps') expect(told.parent).toBeGreaterThan(0);
});

const named: string = why === undefined ? 'in a namespace' : `in a namespace (not here: ${why})`;
describe.skipIf(why !== undefined)(`${named}:`, () => {
  // A shell reaps what it has inherited while it waits for its own; a program that never waits does not.
  test('a first process that waits reaps', async () => {
    expect(await inNamespaceOf('"$0" "$@"; exit $?')).toMatchObject({ kind: 'reaps', parent: 1 });
  });

  test('one that never waits does not', async () => {
    const first = '"$0" "$@" & exec "$0" -e "process.on(\'SIGTERM\', () => process.exit(0)); setInterval(() => {}, 1000)"';
    expect(await inNamespaceOf(first)).toEqual({ kind: 'does_not_reap', parent: 1, waitedMs: 600 });
  });
});
