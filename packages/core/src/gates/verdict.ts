/** How a gate's process ended, as far as its verdict needs it. */
export interface GateExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why the process was stopped, if it did not end by itself. */
  readonly stop?: string;
  /** Why it could not be started. */
  readonly spawnError?: string;
}

export interface Verdict {
  readonly verdict: 'passed' | 'failed' | 'errored';
  /** Why there is nothing to judge; present exactly where it errored. */
  readonly why?: string;
}

/** Signals that a process brings upon itself: a crash under test is what the gate is there to find. All others come from somebody else. */
const ownFaults = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGPIPE', 'SIGSEGV', 'SIGSYS', 'SIGTRAP']);

/**
 * What a gate's ending says, and nothing else does: output never counts. Errored means that the gate did not get to judge the work, so that no
 * agent is asked to mend what is not its fault.
 */
export function verdictOf({ code, signal, stop, spawnError }: GateExit): Verdict {
  const errored = (why: string): Verdict => ({ verdict: 'errored', why });
  if (spawnError !== undefined) return errored(`it could not be started: ${spawnError}`);
  if (stop !== undefined) return errored(stopped[stop] ?? `it was stopped (${stop})`);
  if (signal !== null) return ownFaults.has(signal) ? { verdict: 'failed' } : errored(`it was ended by ${signal} from outside`);
  if (code === 126) return errored('exit 126: a command in it cannot be executed');
  if (code === 127) return errored('exit 127: a command in it was not found');
  if (code === null) return errored('it left no exit status');
  return { verdict: code === 0 ? 'passed' : 'failed' };
}

const stopped: Readonly<Record<string, string>> = {
  timeout: 'it took longer than its time limit',
  output_limit: 'it said more than its output limit',
};
