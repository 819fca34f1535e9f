import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';

/** A child that leaves the agent's session and lives on when the agent ends: what a sweep must find. It has an end of its own, too. */
export interface Child {
  /** How long it lives if nobody ends it. Default 300. */
  readonly seconds?: number;
  readonly ignoreSignals?: boolean;
  /** It keeps the agent's standard output open. */
  readonly holdStdout?: boolean;
  /** Its environment is empty: no marker names it. */
  readonly clearEnvironment?: boolean;
  /** The agent appends its pid to this file. */
  readonly pidFile?: string;
  /** It appends itself to this file, as a line `PID START` (its start as in /proc/PID/stat); so does every process that comes of it. */
  readonly recordTo?: string;
  readonly does?: keyof typeof deeds;
}

/** What a child may do beside living. Bash functions to call: `record`, and `fork`, which starts another one like it in a session of its own. */
const deeds = {
  /** It stops itself. */
  stops: 'record; kill -STOP $BASHPID',
  /** It hands its life to a new process every 100 ms. */
  forks_on: 'live() { record; sleep 0.1; (( SECONDS < seconds )) && live & exit; }; live',
  /** It starts 50 more, as fast as it can. */
  storms: 'record; for _ in {1..50}; do fork; done',
  /** It starts another one whenever a signal tells it to end, and does not end itself. */
  forks_when_told_to_end: 'record; trap fork TERM INT HUP; while (( SECONDS < seconds )); do sleep 0.05; done; exit',
} as const;

export function startChild(child: Child): void {
  const { seconds = 300, ignoreSignals = false, holdStdout = false, clearEnvironment = false, pidFile, recordTo = '/dev/null' } = child;
  const script = [
    'file=$1 seconds=$2',
    ignoreSignals ? `trap '' TERM INT HUP` : '',
    `record() { read -r line < /proc/$BASHPID/stat; fields=($line); echo "$BASHPID \${fields[21]}" >> "$file"; }`,
    'export -f record; export file',
    'fork() { setsid /bin/bash -c \'record; exec sleep "$0"\' "$seconds" & }',
    child.does === undefined ? 'record' : deeds[child.does],
    'exec sleep "$seconds"',
  ].join('\n');
  const { pid } = spawn('/bin/bash', ['-c', script, 'child', recordTo, String(seconds)], {
    detached: true,
    stdio: ['ignore', holdStdout ? 'inherit' : 'ignore', 'ignore'],
    ...(clearEnvironment ? { env: {} } : {}),
  });
  if (pidFile) appendFileSync(pidFile, `${pid}\n`);
}
