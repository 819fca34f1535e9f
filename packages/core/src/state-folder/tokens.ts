import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, fsyncSync, lstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StatePaths } from './paths.ts';
import { quoted, StateFolderRefused } from './refused.ts';
import { codeOf } from './system-error.ts';

/** What the holder of a token may do; each allows what stands before it, too. */
export const scopes = ['read', 'submit', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** `st_` and 256 bits or more. */
const form = /^st_[A-Za-z0-9_-]{43,253}$/;
const longestFile = 300;

/**
 * The tokens of a state folder, from a file for each scope. One that is not there is made, so that removing a file and starting the daemon again
 * exchanges the token. Throws StateFolderRefused for a file that others could read or write, or that holds no token.
 */
export function openTokens({ adminToken, submitToken, readToken }: StatePaths): Readonly<Record<Scope, string>> {
  const tokens = { read: tokenIn(readToken), submit: tokenIn(submitToken), admin: tokenIn(adminToken) };
  if (new Set(Object.values(tokens)).size < scopes.length) {
    const all = [adminToken, submitToken, readToken].map(quoted).join(' ');
    throw refused(adminToken, `two of the files ${all} hold the same token, so that its scope is not known`, `rm ${all}`);
  }
  return tokens;
}

/** Looks at what is there and makes nothing; gives the files that are missing. Throws as `openTokens` does. */
export function examineTokens({ adminToken, submitToken, readToken }: StatePaths): string[] {
  const files = [adminToken, submitToken, readToken];
  for (const path of files.filter(isThere)) checkedToken(path);
  return files.filter((path) => !isThere(path));
}

function tokenIn(path: string): string {
  if (!isThere(path)) make(path);
  return checkedToken(path);
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function checkedToken(path: string): string {
  const token = read(path).trimEnd();
  if (form.test(token)) return token;
  const what = token === '' ? 'is empty' : token.length < 46 ? 'holds too little for a token' : 'holds no token';
  throw refused(path, `the token file ${path} ${what}: st_ and at least 43 characters of base64url`, `rm ${quoted(path)}`);
}

/** Whole or not at all: a file that is there without its content would keep the next daemon from starting. */
function make(path: string): void {
  const aside = `${path}.new`;
  rmSync(aside, { force: true });
  const file = openSync(aside, 'wx', 0o600);
  try {
    writeSync(file, `st_${randomBytes(32).toString('base64url')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  // Not a link beside a removal: a daemon that dies between the two would leave a file with two names, which the next one refuses.
  renameSync(aside, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** What is checked is the file that is read, whatever the name means a moment later. */
function read(path: string): string {
  const file = open(path);
  try {
    const found = fstatSync(file);
    const anew = `rm ${quoted(path)}`;
    if (!found.isFile()) throw refused(path, `the token file ${path} is no regular file`, anew);
    if (found.uid !== process.geteuid?.())
      throw refused(path, `the token file ${path} belongs to another user (uid ${found.uid}), who knows the token`, anew);
    if ((found.mode & 0o077) !== 0) {
      const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
      throw refused(path, `the token file ${path} is open to other users (mode ${mode}), who may know the token`, anew);
    }
    if (found.nlink > 1) throw refused(path, `the token file ${path} has ${found.nlink} names, and may be read by another of them`, anew);
    const bytes = Buffer.alloc(longestFile);
    return bytes.toString('utf8', 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) !== 'ELOOP') throw refused(path, `the token file ${path} cannot be read (${codeOf(error)})`, `rm ${quoted(path)}`);
    const why = 'whoever can change the link could exchange the token';
    throw refused(path, `the token file ${path} is a symbolic link; ${why}`, `rm ${quoted(path)}`);
  }
}

function refused(path: string, message: string, hint: string): StateFolderRefused {
  return new StateFolderRefused('STATE_FOLDER_TOKEN_REFUSED', path, message, `${hint}; the next start makes a new one`);
}
