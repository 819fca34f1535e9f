import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { privateFolder, refuseObstacles, statePaths } from '@singletree/core/local';
import { CommandFailure, failureFrom } from '../failure.ts';
import { program } from '../package.ts';
import { answering, type Answering } from './answering.ts';

export interface Started extends Answering {
  /** What the daemon said that its person should know. */
  readonly warnings: readonly string[];
}

export interface StartOptions {
  /** Absolute path. */
  readonly state: string;
  /** Absolute path of the configuration file that was named; absent for the default places. */
  readonly config?: string | undefined;
  /** Ends the daemon after so long without work, such as `15m`; absent for never. */
  readonly idle?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** How long a daemon may take until it answers. */
const startLimitMs = 10_000;
const lookEveryMs = 20;
/** A start that lost against another daemon is tried again: that one may just have been on its way out. */
const againAfterMs = 1_000;

/**
 * Starts a daemon in a session of its own and gives its address when it answers. Where another daemon is faster, that one's: of two
 * clients that start one at the same time both get the same. Throws why it did not start, in the daemon's own words.
 */
export async function startDetached(options: StartOptions): Promise<Started> {
  // Refused here already, in the same words as by the daemon: its log must not be written into a folder that is not ours.
  const state = privateFolder(options.state, 'state folder');
  const paths = statePaths(state);
  refuseObstacles(paths);
  const { log } = paths;
  const limit = performance.now() + startLimitMs;
  let launched = launch({ ...options, state }, log);
  let lost: { readonly at: number; readonly failure: CommandFailure } | undefined;
  for (;;) {
    const found = await answering({ state, env: {} });
    if (found) {
      launched.child.unref();
      return { ...found, warnings: linesSince(log, launched, 'warning').filter((warning) => typeof warning === 'string') };
    }
    const now = performance.now();
    if (now > limit) throw unanswered(launched, log, lost?.failure);
    if (!lost && hasEnded(launched.child)) {
      const failure = failureIn(log, launched);
      if (failure.reason !== 'STATE_FOLDER_IN_USE') throw failure;
      lost = { at: now, failure };
    } else if (lost && now - lost.at > againAfterMs) {
      launched = launch({ ...options, state }, log);
      lost = undefined;
    }
    await sleep(lookEveryMs);
  }
}

/** Nobody answers: the daemon that was started, or the one that has the folder. */
function unanswered({ child }: Launched, log: string, lost: CommandFailure | undefined): CommandFailure {
  const own = `the daemon that was started (pid ${child.pid}) does not answer within ${startLimitMs / 1_000} s`;
  return new CommandFailure(lost?.message ?? own, { code: 'unavailable', reason: 'NO_DAEMON', hint: lost?.hint ?? `its log: ${log}` });
}

/**
 * Else new objects may fill 100 MB before any are thrown away, though a daemon keeps 50 MB in all: 150 MB resident instead of 280 after 45 tasks,
 * for no more CPU. Each fork takes its time for what is resident.
 */
const nodeFlags = ['--max-semi-space-size=4'];

interface Launched {
  readonly child: ChildProcess;
  /** Where in the log it begins. */
  readonly from: number;
}

function launch({ state, config, idle, env }: StartOptions, log: string): Launched {
  const file = openSync(log, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, 0o600);
  try {
    const flags = [...(config === undefined ? [] : ['--config', config]), ...(idle === undefined ? [] : ['--idle', idle])];
    const child = spawn(process.execPath, [...nodeFlags, program, 'up', '--json', '--quiet', '--state', state, ...flags], {
      // Not the caller's folder, which would be kept busy.
      cwd: '/',
      detached: true,
      env,
      stdio: ['ignore', 'ignore', file],
    });
    return { child, from: fstatSync(file).size };
  } finally {
    closeSync(file);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** What a daemon that died at its start said last. */
function failureIn(log: string, launched: Launched): CommandFailure {
  const told = linesSince(log, launched, 'error').at(-1);
  if (typeof told === 'object' && told !== null && 'message' in told && typeof told.message === 'string')
    return failureFrom(Object.assign(new Error(told.message), told));
  const { exitCode, signalCode } = launched.child;
  const tail = readFileSync(log).subarray(launched.from).toString().trim().split('\n').slice(-10).join('\n');
  return new CommandFailure(`the daemon ended at its start (${signalCode ?? `exit ${exitCode}`}):\n${tail}`, {
    code: 'unavailable',
    reason: 'NO_DAEMON',
    hint: `its log: ${log}`,
  });
}

/** The members of this name in the lines that a daemon has written: with `--json` it says what it has to say in objects, a line each. */
function linesSince(log: string, { from }: Launched, member: 'error' | 'warning'): unknown[] {
  const lines = readFileSync(log).subarray(from).toString().split('\n');
  return lines.flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === 'object' && value !== null && member in value ? [Reflect.get(value, member) as unknown] : [];
    } catch {
      return []; // a line of another kind
    }
  });
}
