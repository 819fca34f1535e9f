import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../protocol.ts';
import { hasCode } from './error-code.ts';
import type { Hold } from './hold.ts';
import { monotonicMs } from './monotonic.ts';
import { findLiving, isLiving, processes, readMarker, readStat, type ProcessStat } from './process-table.ts';

/** Between two looks at the process table: long enough for a fork or exec that the first look fell into to be over. */
const scanGapMs = 30;
/** A tree of those that fork faster than they are stopped is killed as it is, and looked for again. */
const mostFreezes = 5;

export interface ProcessTree {
  /** The marker's value. */
  readonly id: string;
  /** Start times by pid of the members found last: a child that cleared its environment and lost its parent is known by this alone. */
  known: Map<number, number>;
  /** The leader of the session that belongs to the tree as a whole. */
  readonly leader?: ProcessIdentity;
  /** What holds it together beyond what the process table tells. */
  readonly hold?: Hold;
}

/**
 * The living members: what is held, carries the marker, is known, or is in the leader's session or group, and all that descends from these.
 *
 * @param met called at once for each that is told by itself: a moment later it may have handed its life on to another one
 */
export function findMembers(tree: ProcessTree, byMarker = true, met?: (member: ProcessStat) => void): ProcessStat[] {
  const { leader, hold } = tree;
  // Whoever looks is never a member: not the shim, which carries the marker, nor a daemon that was started from inside an agent.
  const others = new Set([process.pid, ...(hold?.helpers ?? []).map(({ pid }) => pid)]);
  // Its number cannot be given away while the session lasts, so a stranger who has it means that the session is over.
  const holder = leader && readStat(leader.pid);
  const session = holder === undefined || holder.startTime === leader?.startTime ? leader?.pid : undefined;
  const table = new Map<number, ProcessStat>();
  const members = new Set<number>();
  // Whoever only wants to know how much there is need not meet everybody.
  for (const stat of processes(byMarker ? undefined : 1)) {
    const { pid, startTime, session: sid, group } = stat;
    table.set(pid, stat);
    if (others.has(pid)) continue;
    if (tree.known.get(pid) === startTime || sid === session || group === session || (byMarker && carries(pid, tree.id))) {
      members.add(pid);
      if (isLiving(stat)) met?.(stat);
    }
  }
  for (const pid of hold?.members(table.values()) ?? []) members.add(pid);
  for (const pid of others) {
    table.delete(pid);
    members.delete(pid);
  }
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const { pid, parent } of table.values()) if (members.has(parent)) members.add(pid);
  }
  const living = [...table.values()].filter((stat) => members.has(stat.pid) && isLiving(stat));
  tree.known = new Map(living.map((stat) => [stat.pid, stat.startTime]));
  return living;
}

/** A process without a marker is nobody's, whatever is looked for. */
function carries(pid: number, id: string): boolean {
  const found = readMarker(pid);
  return found !== undefined && found === id;
}

/** Signals a process if it still is the one that was found. False: it is gone, or not ours to signal. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return findLiving(identity) !== undefined && kill(identity.pid, signal);
}

/** Signals the group that a process leads. While it is not reaped, its number names its own group and no other. */
export function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return findLiving(leader) !== undefined && kill(-leader.pid, signal);
}

function kill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EPERM')) return false;
    throw error;
  }
}

/**
 * Kills the members: first what is held, at once. The others are all stopped before: one that is killed while others still fork leaves children that nobody can tell for its own any more,
 * if they have cleared their environment and left its session. What was being forked meanwhile is for the next look to find.
 */
export function killTree(tree: ProcessTree): { readonly found: readonly ProcessStat[]; readonly killed: readonly number[] } {
  const held = tree.hold ? findMembers(tree) : [];
  tree.hold?.kill();
  if (tree.leader) signalGroup(tree.leader, 'SIGSTOP');
  const stopped = new Map<number, number>();
  const stop = (member: ProcessStat): void => {
    if (stopped.get(member.pid) === member.startTime) return;
    signalProcess(member, 'SIGSTOP');
    stopped.set(member.pid, member.startTime);
  };
  let found: ProcessStat[] = [];
  for (let round = 0, before = -1; round < mostFreezes && before !== stopped.size; round += 1) {
    before = stopped.size;
    found = findMembers(tree, true, stop);
    found.forEach(stop);
  }
  return { found, killed: [...held, ...found.filter((member) => signalProcess(member, 'SIGKILL'))].map(({ pid }) => pid) };
}

/** Kills the tree until two looks in a row find nobody: a child can fork between the reading of the table and the killing of what was read. What held it is taken away. */
export async function sweep(tree: ProcessTree, limitMs: number): Promise<{ swept: number[]; survivors: number[] }> {
  const deadline = monotonicMs() + limitMs;
  const swept = new Set<number>();
  let left: readonly ProcessIdentity[] = [];
  for (let empty = 0; empty < 2; await sleep(scanGapMs)) {
    const { found, killed } = killTree(tree);
    for (const pid of killed) swept.add(pid);
    left = [...found, ...(tree.hold?.helpers ?? []).filter(findLiving)];
    empty = left.length === 0 && tree.hold?.remove() !== false ? empty + 1 : 0;
    if (empty === 2 || monotonicMs() >= deadline) break;
  }
  const survivors = left.map(({ pid }) => pid);
  return { swept: [...swept].filter((pid) => !survivors.includes(pid)), survivors };
}
