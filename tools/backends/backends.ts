/** The real receivers of telemetry that `pnpm test:backends` runs against: what each is made of, and where it is kept. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** One line of lock.json. Its folder beside it holds the go.mod and go.sum that it is built with. */
export interface Backend {
  readonly name: 'prometheus' | 'jaeger' | 'collector';
  /** What it is to the tests, in words. */
  readonly part: string;
  readonly title: string;
  readonly module: string;
  readonly version: string;
  /** The module's checksum, as go.sum writes it. */
  readonly sum: string;
  /** What is built: a command of that module, or the folder itself. */
  readonly package: string;
  readonly flags: readonly string[];
  /** Arguments with which the program says its version and ends. */
  readonly check: readonly string[];
}

interface Lock {
  /** The oldest Go that all of them are built by. */
  readonly go: string;
  /** They are built fast rather than made fast. */
  readonly flags: readonly string[];
  readonly backends: readonly Backend[];
}

// Its form is tested in backends.test.ts.
export const lock: Lock = JSON.parse(readFileSync(join(import.meta.dirname, 'lock.json'), 'utf8')) as Lock;

export function sourceOf({ name }: Backend): string {
  return join(import.meta.dirname, name);
}

/** `$SINGLETREE_BACKENDS`, or a folder in the user's cache. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env['SINGLETREE_BACKENDS'] ?? join(homedir(), '.cache', 'singletree', 'backends');
}

/** The path of the program, whether or not it is there. It names everything that decides what is built, so that a change builds anew. */
export function programOf(backend: Backend, folder: string = cacheFolder()): string {
  const hash = createHash('sha256').update(JSON.stringify([backend, lock.flags, process.platform, process.arch]));
  for (const file of readdirSync(sourceOf(backend)).toSorted())
    hash.update(`${file}\n`).update(readFileSync(join(sourceOf(backend), file)));
  return join(folder, 'bin', `${backend.name}-${backend.version}-${hash.digest('hex').slice(0, 12)}`);
}
