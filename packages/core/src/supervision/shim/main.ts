/**
 * Supervises one process and survives the daemon. Started as `node main.ts DIRECTORY`, detached, with one frame of secrets on descriptor 3;
 * from then on it talks through the files of that directory only (protocol.ts). This folder imports nothing of ours but itself, and that
 * statically: what a long-lived process needs must be loaded before an upgrade replaces the files around it.
 *
 * The daemon imports the process table, the tree and the writing of files from here.
 */
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Owner, ProcessFile } from '../protocol.ts';
import { around } from './failpoint.ts';
import { placeFile } from './files.ts';
import { readFrame } from './frame.ts';
import { insist, say } from './persist.ts';
import { bootId, readStat } from './process-table.ts';
import { readSpec } from './requests.ts';
import { run } from './run.ts';

async function supervise(directory: string): Promise<void> {
  // A terminal that closes or a machine that shuts down is no wish to stop this task: what ends a shim is its child's end.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(signal, () => undefined);
  const pipe = new Socket({ fd: 3 });
  const secrets = await readFrame(pipe);
  const spec = readSpec(directory);
  const self = readStat(process.pid);
  if (self === undefined) throw new Error('/proc shows no process of our own: is it mounted?');
  const owner: Owner = { who: 'shim', pid: self.pid, startTime: self.startTime, bootId: bootId() };
  const file = (name: ProcessFile): string => join(directory, name);
  if (!(await placeFile(file('owner'), JSON.stringify(owner), 'claim', around('shim.owner')))) return;
  pipe.destroy();
  const exit = await run(directory, spec, secrets, owner.bootId);
  await insist(directory, () => placeFile(file('exit.json'), JSON.stringify(exit), 'replace', around('shim.exit')));
}

/** The system's number for what went wrong, or 1: on a full disk there is nowhere else to tell it. */
function exitCodeOf(error: unknown): number {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? Math.abs(error.errno) : 1;
}

try {
  await supervise(process.argv[2] ?? '');
  process.exit(0);
} catch (error) {
  say(error);
  process.exit(exitCodeOf(error));
}
