import { writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Places on the main path where a test may kill, hold or fail this program. Off unless SINGLETREE_FAILPOINTS is set, a comma separated list of
 *
 *     NAME=kill          SIGKILL to itself at the first time NAME is reached
 *     NAME=kill@3        at the third time; `@N` works for every action
 *     NAME=error         throws
 *     NAME=hold:DIR      writes DIR/NAME.hit and waits until DIR/NAME.go exists
 *
 * With SINGLETREE_FAILPOINT_DIR set, kill and error write NAME.hit there first, so that a test waits for a file and not for a time.
 */
export const failpointNames = [
  'store.commit.before',
  'store.commit.after',
  'dispatcher.claim.before',
  'dispatcher.claim.after',
  'workspace.open.before',
  'workspace.open.after',
  'workspace.freeze.before',
  'workspace.freeze.after',
  'workspace.close.before',
  'workspace.close.after',
  'supervision.prepare.before',
  'supervision.prepare.after',
  'supervision.spawn.before',
  'supervision.spawn.after',
  'supervision.frame.middle',
  'supervision.frame.after',
  'supervision.revoke.before',
  'supervision.revoke.after',
  'supervision.stop.before',
  'supervision.stop.after',
  'supervision.sweep.before',
  'supervision.sweep.after',
  'control.commit.before',
  'control.commit.after',
  'control.file.before',
  'control.file.after',
  'outbox.freeze.before',
  'outbox.freeze.after',
  'outbox.send.before',
  'outbox.send.after',
  'outbox.delivered.before',
  'outbox.delivered.after',
  'outbox.queue.before',
  'outbox.queue.after',
  'metrics.fold.before',
  'metrics.fold.after',
  'metrics.send.before',
  'metrics.send.after',
  // Those of the shim are read by the shim itself, which imports nothing but its own folder.
  'shim.owner.before',
  'shim.owner.after',
  'shim.spawn.before',
  'shim.spawn.after',
  'shim.run.before',
  'shim.run.after',
  'shim.kill.before',
  'shim.kill.after',
  'shim.exit.before',
  'shim.exit.after',
] as const;

export type FailpointName = (typeof failpointNames)[number];

const actions = ['kill', 'error', 'hold'] as const;

export interface Failpoint {
  readonly action: (typeof actions)[number];
  /** The time that acts, counted from 1. */
  readonly nth: number;
  readonly directory?: string;
}

/** Reads the value of SINGLETREE_FAILPOINTS. A point that could never act would make a test pass that tests nothing, so it is an error. */
export function parseFailpoints(text: string): Map<FailpointName, Failpoint> {
  const points = new Map<FailpointName, Failpoint>();
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const [, named, kind, nth = '1', directory] = /^([^=\s]+)=(kill|error|hold)(?:@([1-9]\d*))?(?::(.+))?$/.exec(entry) ?? [];
    const name = failpointNames.find((known) => known === named);
    const action = actions.find((known) => known === kind);
    if (name === undefined || action === undefined) {
      throw new Error(
        `SINGLETREE_FAILPOINTS: "${entry}" is not NAME=kill, NAME=error or NAME=hold:DIR with a NAME of: ${failpointNames.join(', ')}`,
      );
    }
    if ((action === 'hold') !== (directory !== undefined)) {
      throw new Error(`SINGLETREE_FAILPOINTS: "${entry}": hold needs a directory (NAME=hold:DIR), the others take none`);
    }
    if (name.startsWith('shim.') && (action === 'error' || nth !== '1')) {
      throw new Error(`SINGLETREE_FAILPOINTS: "${entry}": a shim reaches each point once, and is killed or held there`);
    }
    points.set(name, { action, nth: Number(nth), ...(directory !== undefined && { directory }) });
  }
  return points;
}

const setting = process.env['SINGLETREE_FAILPOINTS'];
const armed = setting === undefined || setting === '' ? undefined : parseFailpoints(setting);
const reached = new Map<FailpointName, number>();
const passed = Promise.resolve();

/** A failpoint in asynchronous code. */
export function failpoint(name: FailpointName): Promise<void> {
  return armed === undefined ? passed : act(name, armed);
}

/** A failpoint where nothing may be awaited; holding blocks the whole process. */
export function failpointSync(name: FailpointName): void {
  if (armed === undefined) return;
  const go = reach(name, armed);
  while (go !== undefined && !existsSync(go)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

async function act(name: FailpointName, points: Map<FailpointName, Failpoint>): Promise<void> {
  const go = reach(name, points);
  // What is held here for ever must not keep a daemon alive that has ended all else.
  while (go !== undefined && !existsSync(go)) await sleep(20, undefined, { ref: false });
}

/** Kills or throws; gives the file to wait for where the point holds. */
function reach(name: FailpointName, points: Map<FailpointName, Failpoint>): string | undefined {
  const point = points.get(name);
  if (point === undefined) return undefined;
  const times = (reached.get(name) ?? 0) + 1;
  reached.set(name, times);
  if (times !== point.nth) return undefined;
  const directory = point.directory ?? process.env['SINGLETREE_FAILPOINT_DIR'];
  if (directory !== undefined) writeFileSync(join(directory, `${name}.hit`), `${process.pid}\n`);
  if (point.action === 'error') throw new Error(`failpoint ${name}`);
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL');
  return point.directory === undefined ? undefined : join(point.directory, `${name}.go`);
}
