import type { ChildProcess } from 'node:child_process';
import { hash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import type { ProcessSpec } from '../protocol.ts';
import { cgroupDirectory, realProc, unifiedMounts } from './cgroup-files.ts';
import { spawnChild, startedOf, type Command, type Started, type Stdio } from './child.ts';
import { hasCode } from './error-code.ts';
import { Unheld, type Hold } from './hold.ts';
import { guard } from './persist.ts';

type Named = Pick<ProcessSpec, 'cgroup' | 'id'>;

/** How the names of all cgroups of a state folder begin. */
export function cgroupPrefix(stateId: string): string {
  return `singletree-${stateId}-`;
}

/** The name of a process directory's cgroup, by its marker, which begins with the state folder's id. */
export function cgroupName(marker: string): string {
  return `${cgroupPrefix(marker.slice(0, marker.indexOf('/')))}${hash('sha256', marker).slice(0, 16)}`;
}

/** Whether a path that was read from a file is the cgroup of this marker and nothing else: what is written there kills. */
export function isCgroupOf(marker: string, path: string, proc: string = realProc): boolean {
  return (
    normalize(path) === path && basename(path) === cgroupName(marker) && unifiedMounts(proc).some((mount) => path.startsWith(`${mount}/`))
  );
}

/**
 * Starts a command in a cgroup of its own. This program moves inside and out again, so that the command is born there and cannot fork before
 * it is; the command itself is started as ever.
 *
 * @throws Unheld where the cgroup cannot be made or entered; the system's error where the command cannot be started
 */
export async function startInCgroup({ cgroup, id }: Named, command: Command, stdio: Stdio): Promise<Started> {
  const origin = cgroupDirectory('self', 'unified');
  if (origin === undefined) throw new Unheld(new Error('no mounted cgroup 2 hierarchy shows the cgroup of this program'));
  if (cgroup === undefined || !isCgroupOf(id, cgroup)) throw new Unheld(new Error(`${cgroup ?? 'nothing'} is not the cgroup of ${id}`));
  const hold = cgroupHold(cgroup);
  try {
    accessSync(join(origin, 'cgroup.procs'), constants.W_OK);
    makeCgroup(cgroup);
    moveSelf(cgroup);
  } catch (error) {
    hold.remove();
    throw new Unheld(error);
  }
  try {
    return await startedOf(spawnAndLeave(command, stdio, origin), hold);
  } catch (error) {
    hold.remove();
    throw error;
  }
}

/** Makes a cgroup that can be killed whole, where there is none yet. Not with its parents: if the one that it belongs below is gone, it belongs nowhere. */
export function makeCgroup(directory: string): void {
  unlessCode(() => mkdirSync(directory), 'EEXIST');
  accessSync(join(directory, 'cgroup.kill'), constants.W_OK);
}

/** Nothing may be awaited in here: whatever else this program starts would be born inside too. */
function spawnAndLeave(command: Command, stdio: Stdio, origin: string): ChildProcess {
  try {
    return spawnChild(command, stdio);
  } finally {
    // A program that cannot leave goes on inside, and is spared by the hold.
    guard(() => moveSelf(origin));
  }
}

/** A cgroup of ours that may exist, or may not any more. */
export function cgroupHold(directory: string): Hold {
  const members = (): number[] => treeOf(directory).flatMap(pidsIn);
  // Because it could not get out: it kills one by one what it finds, and leaves the cgroup behind.
  const isInside = (): boolean => members().includes(process.pid);
  return {
    helpers: [],
    members,
    kill() {
      if (!isInside()) unlessGone(() => writeFileSync(join(directory, 'cgroup.kill'), '1'));
    },
    remove() {
      if (isInside()) return true;
      // Deepest first: what it holds may have made cgroups of its own.
      for (const path of treeOf(directory).toReversed()) if (!removed(path)) return false;
      return true;
    },
  };
}

/** 0 is whoever writes. */
function moveSelf(directory: string): void {
  writeFileSync(join(directory, 'cgroup.procs'), '0');
}

/** A cgroup and all below it, each before its own. */
function treeOf(directory: string): string[] {
  const entries = unlessGone(() => readdirSync(directory, { withFileTypes: true }));
  if (entries === undefined) return [];
  return [directory, ...entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => treeOf(join(directory, name)))];
}

/** Without those that are not visible from here, which stand as 0. */
function pidsIn(directory: string): number[] {
  const text = unlessGone(() => readFileSync(join(directory, 'cgroup.procs'), 'latin1')) ?? '';
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Or it was taken from us: then there is nothing that we could remove, and none who would wait for it. */
function removed(directory: string): boolean {
  try {
    unlessGone(() => rmdirSync(directory));
    return true;
  } catch (error) {
    if (hasCode(error, 'EBUSY')) return false;
    throw error;
  }
}

/** Gone, or taken from us: then the process table alone tells who is left. */
function unlessGone<T>(act: () => T): T | undefined {
  return unlessCode(act, 'ENOENT', 'ENODEV', 'ENOTDIR', 'EACCES', 'EPERM', 'EOPNOTSUPP');
}

function unlessCode<T>(act: () => T, ...codes: string[]): T | undefined {
  try {
    return act();
  } catch (error) {
    if (hasCode(error, ...codes)) return undefined;
    throw error;
  }
}
