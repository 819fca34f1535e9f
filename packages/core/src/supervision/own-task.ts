import { DomainError } from '../errors.ts';
import { markerName, markerOf } from './protocol.ts';

/**
 * Refuses a daemon that an agent, a setup command or a gate of its own state folder has started while there was none: it belongs to that
 * process, and ends with it by the sweep. In a PID namespace it would also see nobody else, and take every other process for dead.
 */
export function refuseOwnTask(environment: NodeJS.ProcessEnv, stateId: string): void {
  const inside = environment[markerName];
  if (inside?.startsWith(markerOf(stateId, '')) !== true) return;
  throw new DomainError(
    'STATE_FOLDER_OF_OWN_TASK',
    'a task of this state folder has started this daemon, and would end it together with itself',
    {
      hint: 'start the daemon outside of the task: singletree up',
      metadata: { process: inside },
    },
  );
}
