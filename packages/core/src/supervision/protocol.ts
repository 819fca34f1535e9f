/**
 * What the daemon and a shim say to each other: the files of one private directory (0700) per supervised process, so that neither
 * needs the other to be alive. A reader trusts a file only whole: they are written aside, synced, then linked or renamed into place.
 *
 *     spec.json              daemon   what to run and within which limits
 *     stdin                  daemon   the child's standard input
 *     owner                  either   who won the directory: the shim (it starts the child) or the daemon (nothing ever starts)
 *     run.json               shim     the child
 *     stdout.log stderr.log  child    what it said
 *     clock.log              shim     how long the logs were when: once a second while they grow, else every 5 s as a sign of life
 *     vouch                  daemon   until when the daemon vouches for this process
 *     stop/N                 daemon   wishes to stop, numbered from 1
 *     exit.json              shim     the ending, written last
 *     shim.log               shim     what went wrong in the shim itself
 *     settled.json           daemon   what was done with a directory that no task needs
 */
export type ProcessFile =
  | 'spec.json'
  | 'stdin'
  | 'owner'
  | 'run.json'
  | 'stdout.log'
  | 'stderr.log'
  | 'clock.log'
  | 'vouch'
  | 'stop'
  | 'exit.json'
  | 'shim.log'
  | 'settled.json';

/** What this daemon writes, and what its shims write. */
export const protocolVersion = 2;

/**
 * A daemon adopts shims of the version before its own, and a shim takes a specification that a daemon of the version before had written. 2 has more
 * limits, the kill switch's file and more than one sandbox level; 1 called its only level `none`, which readers turn into `marker`.
 */
export type ProtocolVersion = 1 | typeof protocolVersion;

/** The environment variable by which everything that descends from a supervised process is found again, also in a session of its own. */
export const markerName = 'SINGLETREE_PROCESS';

/** The marker of a process: it begins with the id of the state folder, so that a daemon never touches what another one runs. */
export function markerOf(stateId: string, directory: string): string {
  return `${stateId}/${directory}`;
}

export interface ProcessSpec {
  readonly protocol: ProtocolVersion;
  /** The marker's value: `markerOf` the state folder's id and of this directory's path below the folder of all process directories. */
  readonly id: string;
  readonly role: 'setup' | 'harness' | 'gate';
  /** An absolute path, or a name that is looked up on the PATH in `env`. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The child's whole environment but for the secrets and the marker. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables whose values come by the frame, never by a file. */
  readonly secretNames: readonly string[];
  /** Standard error goes into `stdout.log` as well, so that the order of both is known; `stderr.log` stays empty. */
  readonly oneOutput?: true;
  /** Times are by the monotonic clock: time asleep does not count. The shim acts on each as soon as it is reached, whether or not a daemon runs. */
  readonly limits: {
    /** Time that is left for the task's processes to run. */
    readonly timeoutMs?: number;
    /** Time that this process may run. */
    readonly attemptTimeoutMs?: number;
    /** From the start to the first byte in either log. */
    readonly firstOutputMs?: number;
    /** Without a byte in either log, after the first. */
    readonly stallMs?: number;
    /** Bytes in either of the two logs. */
    readonly outputBytes?: number;
    /** Bytes that must stay free for ordinary users on the file systems of the process directory and of `cwd`. */
    readonly minFreeBytes?: number;
    /** Set where a limit needs the daemon: how long the process may run when `vouch` is not renewed. */
    readonly unsupervisedMs?: number;
  };
  readonly graces: {
    /** From SIGINT to SIGTERM. */
    readonly interruptMs: number;
    /** From SIGTERM to SIGKILL. */
    readonly terminateMs: number;
    /** Longest time for a killed process tree to be gone. */
    readonly sweepMs: number;
  };
  readonly killSwitch?: KillSwitchWatch;
  /** The level that is wanted; `RunRecord` tells which was reached. */
  readonly sandbox: SandboxLevel;
  /** The cgroup of version 2 that the shim makes for the level `cgroup`: an absolute path, named after `id`. Whoever kills by it checks that first. */
  readonly cgroup?: string;
}

/** A file that the shim reads before it starts the child and every 250 ms from then on: a switch whose scope is one of these kills the process. */
export interface KillSwitchWatch {
  readonly file: string;
  readonly scopes: readonly string[];
}

/** What that file holds. Absent or empty: nothing is to be killed. */
export interface KillSwitchFile {
  readonly switches: readonly {
    readonly scope: string;
    readonly by: string;
    readonly why?: string;
    /** Wall time, milliseconds. */
    readonly at: number;
  }[];
}

/**
 * How surely everything that descends from the child is found and ended. `marker`: by marker, session and descent in the process table. `cgroup`: by
 * the kernel's list of a group that nothing leaves. `pid_namespace`: the kernel ends all of it with the first process.
 */
export type SandboxLevel = 'marker' | 'cgroup' | 'pid_namespace';

/** Where the stop order begins: SIGINT, SIGTERM or SIGKILL. */
export type Hardness = 'interrupt' | 'terminate' | 'kill';

export interface StopRequest {
  readonly kind:
    | 'cancel'
    | 'terminate'
    | 'kill'
    | 'timeout'
    | 'attempt_timeout'
    | 'first_output'
    | 'stall'
    | 'output_limit'
    | 'disk_full'
    | 'turn_limit'
    | 'token_limit'
    | 'cost_limit'
    | 'context_limit'
    | 'no_progress'
    | 'never_ended'
    | 'unsupervised'
    /** The daemon cannot go on with this process. */
    | 'given_up';
  readonly hardness: Hardness;
  /** Whoever wanted it, or `shim` for a limit. */
  readonly by: string;
  /** Wall time, milliseconds. */
  readonly at: number;
}

/** A pid says nothing without its start: pids are used again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since the machine started, field 22 of /proc/PID/stat. */
  readonly startTime: number;
}

export interface Owner extends ProcessIdentity {
  readonly who: 'shim' | 'daemon';
  /** Identities of another boot name nobody. */
  readonly bootId: string;
}

/** The child, which leads a session and a process group of its own: both have its pid as their number. */
export interface RunRecord extends ProcessIdentity {
  readonly bootId: string;
  /** The level that was reached. */
  readonly sandbox: SandboxLevel;
  /** Levels that were tried before that, and why this process could not be held so. */
  readonly refused?: readonly { readonly level: SandboxLevel; readonly why: string }[];
  /** Wall time, milliseconds. */
  readonly startedAt: number;
}

/** How a supervised process ended. Neither `code` nor `signal`: no child was started (`spawnError` or `stop` says why), or it outlived SIGKILL. */
export interface ExitRecord {
  readonly protocol: ProtocolVersion;
  readonly code: number | null;
  readonly signal: string | null;
  /** The first stop that was acted on before the child had ended by itself. */
  readonly stop?: StopRequest;
  /** The counters of the child's cgroup say that the kernel killed in it for want of memory. Absent where there is none to say so. */
  readonly outOfMemory?: true;
  /** Why the child could not be started. `path` is what the system stumbled over: the working directory, or the file to run. */
  readonly spawnError?: { readonly code: string; readonly message: string; readonly path?: string };
  /** Bytes of each log when nobody wrote to it any more. */
  readonly lengths: { readonly stdout: number; readonly stderr: number };
  /** Wall time, milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** By the monotonic clock. */
  readonly durationMs: number;
  /** Of the child and of those descendants that were waited for, not of what was swept. */
  readonly cpuMs?: number;
  /** The largest sum over the process tree at any sample, so a lower bound. Absent where the process ended before the first one. */
  readonly peakMemoryBytes?: number;
  /** Pids that were killed after the child had ended. */
  readonly swept: readonly number[];
  /** Pids that were still there when `sweepMs` had passed. */
  readonly survivors: readonly number[];
}
