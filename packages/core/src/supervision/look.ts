import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExitRecord, Owner, ProcessFile, ProcessIdentity, ProcessSpec, RunRecord, SandboxLevel } from './protocol.ts';
import { isObject, parseFile } from './shim/files.ts';
import { bootId, findLiving, readTable } from './shim/process-table.ts';
import { inTodaysWords, isUnderstood } from './shim/versions.ts';

/** What has become of a process directory. Begun again after any crash, a step asks this and knows what is left to do. */
export type Look =
  /** There is no such directory: whatever was started in it is known by its marker alone. */
  | { readonly kind: 'gone' }
  /** Nobody owns it: a shim may be started. */
  | { readonly kind: 'unowned' }
  /** The shim that owns it lives. `run` is absent until it has started and recorded its child. */
  | { readonly kind: 'alive'; readonly owner: Owner; readonly run?: RunRecord }
  /** The shim has written the ending; nothing in the directory changes any more. */
  | { readonly kind: 'exited'; readonly exit: ExitRecord }
  /** Owned by a shim that is gone without an ending: its child may live on. `damaged` names records that exist but cannot be read. */
  | { readonly kind: 'dead'; readonly owner?: Owner; readonly run?: RunRecord; readonly damaged: readonly ProcessFile[] }
  /** The daemon won the directory: nothing was ever started in it, and nothing ever will be. */
  | { readonly kind: 'revoked' };

export async function look(directory: string): Promise<Look> {
  const exit = await readExit(directory);
  if (exit.record) return { kind: 'exited', exit: exit.record };
  const owner = await readOwner(directory);
  if (owner.record?.who === 'daemon') return { kind: 'revoked' };
  if (!owner.record && owner.damaged.length === 0) return { kind: (await exists(directory)) ? 'unowned' : 'gone' };
  const run = await readRun(directory);
  const record = run.record && { run: run.record };
  if (owner.record && isAlive(owner.record)) return { kind: 'alive', owner: owner.record, ...record };
  // It may have written the ending and gone since we looked for that.
  const late = await readExit(directory);
  if (late.record) return { kind: 'exited', exit: late.record };
  const damaged = [...owner.damaged, ...run.damaged, ...late.damaged];
  return { kind: 'dead', ...(owner.record && { owner: owner.record }), ...record, damaged };
}

/** The very process that wrote the record, under this boot; a pid alone may be anybody's by now, and a zombie supervises nothing. */
export function isAlive(owner: Owner): boolean {
  return owner.bootId === bootId() && findLiving(owner) !== undefined;
}

/** A record that is not there is no damage; one that is there but torn is named, and counts as not there. */
interface Reading<T> {
  readonly record?: T;
  readonly damaged: readonly ProcessFile[];
}

export function readSpec(directory: string): Promise<Reading<ProcessSpec>> {
  const isWhole = (value: unknown): value is ProcessSpec =>
    isObject(value) && isUnderstood(value['protocol']) && typeof value['id'] === 'string';
  return read(directory, 'spec.json', isWhole);
}

export function readRun(directory: string): Promise<Reading<RunRecord>> {
  return read(directory, 'run.json', (value): value is RunRecord => isIdentity(value));
}

/**
 * The child, also in the moment in which its shim is still writing it down: then it is the one child of the shim's that leads a session, but in a
 * namespace, where that is a helper. At once, for whoever asks must not wait. Undefined where neither tells.
 */
export function childIn(directory: string): ProcessIdentity | undefined {
  const run = identityIn(readNow(directory, 'run.json'));
  if (run) return run;
  const spec = readNow(directory, 'spec.json');
  const shim = identityIn(readNow(directory, 'owner'));
  if (!isObject(spec) || spec['sandbox'] === ('pid_namespace' satisfies SandboxLevel) || !shim || !findLiving(shim)) return undefined;
  const child = readTable().find(({ pid, parent, session }) => parent === shim.pid && session === pid);
  return child && { pid: child.pid, startTime: child.startTime };
}

function identityIn(value: unknown): ProcessIdentity | undefined {
  if (!isIdentity(value) || value['bootId'] !== bootId()) return undefined;
  return { pid: Number(value['pid']), startTime: Number(value['startTime']) };
}

function readNow(directory: string, name: ProcessFile): unknown {
  try {
    return parseFile(join(directory, name));
  } catch {
    return undefined; // not there yet, or torn: `look` tells which
  }
}

function readOwner(directory: string): Promise<Reading<Owner>> {
  const isWhole = (value: unknown): value is Owner => isIdentity(value) && (value['who'] === 'shim' || value['who'] === 'daemon');
  return read(directory, 'owner', isWhole);
}

function readExit(directory: string): Promise<Reading<ExitRecord>> {
  const isWhole = (value: unknown): value is ExitRecord => isObject(value) && isUnderstood(value['protocol']) && isObject(value['lengths']);
  return read(directory, 'exit.json', isWhole);
}

function isIdentity(value: unknown): value is Record<string, unknown> {
  return isObject(value) && Number.isInteger(value['pid']) && Number.isInteger(value['startTime']) && typeof value['bootId'] === 'string';
}

async function read<T>(directory: string, name: ProcessFile, isWhole: (value: unknown) => value is T): Promise<Reading<T>> {
  let text: string;
  try {
    text = await readFile(join(directory, name), 'utf8');
  } catch (error) {
    // A file that cannot be read for another reason, a lack of descriptors perhaps, must not pass for one that is missing.
    if (isMissing(error)) return { damaged: [] };
    throw error;
  }
  const value = inTodaysWords(parse(text));
  return isWhole(value) ? { record: value, damaged: [] } : { damaged: [name] };
}

async function exists(directory: string): Promise<boolean> {
  try {
    await stat(directory);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
