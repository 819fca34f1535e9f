import type { Singletree } from '@singletree/sdk';

/** After so long a person wonders whether anything happens at all. */
const patienceMs = 10_000;
/** How long a daemon that is well may then take for the shortest of answers. */
const answerMs = 3_000;

/**
 * Tells once where a daemon takes connections and answers nothing: one that is stopped, or stuck. A call may take long for other reasons, so that it
 * is asked for something else. Keeps no command from ending.
 */
export function tellOfSilence(
  { killSwitch }: Pick<Singletree, 'killSwitch'>,
  tell: (text: string) => void,
  afterMs: number = patienceMs,
): void {
  const look = async (): Promise<void> => {
    try {
      await killSwitch.list({ signal: AbortSignal.timeout(Math.min(afterMs, answerMs)) });
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') tell('the daemon does not answer; singletree doctor tells more');
    }
  };
  setTimeout(() => void look(), afterMs).unref();
}
