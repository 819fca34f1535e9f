import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processesWithMarker, until } from '@singletree/testing';
import { killed } from './daemon.ts';

/**
 * Kills all that runs under a process directory, and leaves the ending that its shim would have written where something happens that this machine cannot
 * do: a kernel that has no memory left, a disk that is full. For a time in which no daemon looks.
 */
export async function forgeEnding(
  directory: string,
  ending: { readonly signal: string } & Readonly<Record<string, unknown>>,
): Promise<void> {
  // A child may be faster than the record of it.
  await until(() => existsSync(join(directory, 'run.json')), { what: 'the shim to write down its child' });
  const { startedAt } = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as { startedAt: number };
  // The shim, its child and what that has started: each has the directory in its marker.
  const marker = directory.split('/').slice(-3).join('/');
  const isEmpty = (): boolean => processesWithMarker(marker).filter(({ pid }) => killed(pid)).length === 0;
  await until(isEmpty, { what: 'the processes of the directory to be gone' });
  const lengths = { stdout: statSync(join(directory, 'stdout.log')).size, stderr: statSync(join(directory, 'stderr.log')).size };
  const record = { protocol: 2, code: null, lengths, startedAt, endedAt: Date.now(), durationMs: 100, swept: [], survivors: [], ...ending };
  writeFileSync(join(directory, 'exit.json'), JSON.stringify(record));
}
