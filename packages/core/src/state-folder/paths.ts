import { join } from 'node:path';

/** Everything that a state folder holds. */
export interface StatePaths {
  readonly root: string;
  readonly database: string;
  /** Locked as long as a daemon lives. Nothing else may open it: closing any other handle of a process frees its lock. */
  readonly lock: string;
  /** A directory per supervised process. */
  readonly processes: string;
  /** A directory per task. */
  readonly worktrees: string;
  /** HOME of the daemon's own git calls. */
  readonly gitHome: string;
  readonly address: string;
  /** Of the three tokens that callers over TCP may show, the one that allows everything. */
  readonly adminToken: string;
  readonly submitToken: string;
  readonly readToken: string;
  /** The kill switches that are thrown, for the shims to read. */
  readonly killSwitch: string;
  /** What a daemon that was started in the background says. */
  readonly log: string;
}

/** Where things are in a state folder, whether they exist or not. */
export function statePaths(root: string): StatePaths {
  return {
    root,
    database: join(root, 'singletree.db'),
    lock: join(root, 'lock.db'),
    processes: join(root, 'processes'),
    worktrees: join(root, 'worktrees'),
    gitHome: join(root, 'git-home'),
    address: join(root, 'address.json'),
    adminToken: join(root, 'token'),
    submitToken: join(root, 'token.submit'),
    readToken: join(root, 'token.read'),
    killSwitch: join(root, 'kill-switch.json'),
    log: join(root, 'daemon.log'),
  };
}
