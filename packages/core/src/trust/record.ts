import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../errors.ts';
import { quoted } from '../state-folder/refused.ts';
import { codeOf, messageOf } from '../state-folder/system-error.ts';
import type { Instant } from '../task/task.ts';

/** A folder whose repositories may configure the agents that work in them, with all that lies below it. */
export interface TrustedFolder {
  /** Without symbolic links, as it was when it was trusted. */
  readonly path: string;
  readonly since: Instant;
}

/** Absolute, and written in the one way in which a real path is. */
const realPath = z.string().regex(/^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/, 'not an absolute path without . and ..');

const recordShape = z.strictObject({
  version: z.literal(1),
  folders: z.array(z.strictObject({ path: realPath, since: z.iso.datetime() })),
});

/**
 * Where a person's trust is recorded: beside the configuration, since it is the person's and not one daemon's. `undefined` for somebody without a home.
 */
export function trustFile(environment: NodeJS.ProcessEnv): string | undefined {
  const folder = environment['XDG_CONFIG_HOME'] || (environment['HOME'] ? join(environment['HOME'], '.config') : undefined);
  return folder === undefined ? undefined : join(folder, 'singletree', 'trusted.json');
}

/**
 * What is trusted; nothing where there is no record. Throws INVALID_CONFIGURATION for a record that somebody else may have written, and for
 * one that cannot be read: neither is taken for an empty one.
 */
export function readTrust(file: string): readonly TrustedFolder[] {
  const text = readOwn(file);
  if (text === undefined) return [];
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw damaged(file, messageOf(error));
  }
  const { data, error } = recordShape.safeParse(content);
  if (!data) throw damaged(file, [error.issues[0]?.path.join('.'), error.issues[0]?.message].filter(Boolean).join(': '));
  return data.folders.map(({ path, since }) => ({ path, since: Date.parse(since) }));
}

/** Replaces the record in one piece by what `change` makes of it. Throws as `readTrust` does. */
export function changeTrust(file: string, change: (folders: readonly TrustedFolder[]) => readonly TrustedFolder[]): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  checkOwn(dirname(file), statSync(dirname(file)));
  const aside = `${file}.new`;
  // Whoever makes this file first has the record to itself until it is renamed.
  const handle = openAside(aside);
  try {
    const folders = change(readTrust(file)).map(({ path, since }) => ({ path, since: new Date(since).toISOString() }));
    writeSync(handle, `${JSON.stringify({ version: 1, folders }, undefined, 2)}\n`);
    fsyncSync(handle);
    renameSync(aside, file);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

function openAside(aside: string): number {
  try {
    return openSync(aside, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw refused(aside, `cannot be written: ${messageOf(error)}`);
    throw refused(
      aside,
      'is there: the record is being changed, or was when the machine stopped',
      `if nothing changes it now: rm ${quoted(aside)}`,
    );
  }
}

/** The text of a file that nobody else can write or exchange; `undefined` where there is none. */
function readOwn(file: string): string | undefined {
  let handle: number;
  try {
    handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw refused(file, codeOf(error) === 'ELOOP' ? 'is a symbolic link' : `cannot be read: ${messageOf(error)}`);
  }
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw refused(file, 'is no file');
    checkOwn(file, found);
    checkOwn(dirname(file), statSync(dirname(file)));
    return readFileSync(handle, 'utf8');
  } finally {
    closeSync(handle);
  }
}

function checkOwn(path: string, { uid, mode }: Stats): void {
  const us = process.geteuid?.();
  if (uid !== us) throw refused(path, `belongs to another user (uid ${uid}; this is uid ${us})`);
  if ((mode & 0o022) !== 0) throw refused(path, 'can be written by others', `look at what it says, then: chmod go-w ${quoted(path)}`);
}

function refused(path: string, why: string, hint?: string): DomainError {
  return new DomainError('INVALID_CONFIGURATION', `${path}, which says what is trusted, ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    metadata: { path },
  });
}

function damaged(file: string, why: string): DomainError {
  return new DomainError('INVALID_CONFIGURATION', `${file}, which says what is trusted, is damaged: ${why}`, {
    hint: `mend it, or begin again without it: rm ${quoted(file)}`,
    metadata: { path: file },
  });
}
