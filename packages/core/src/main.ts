import { pino, type DestinationStream } from 'pino';
import { startDaemon, type Daemon, type DaemonOptions } from './daemon.ts';

export interface RunOptions extends Omit<DaemonOptions, 'log'> {
  /** Where the log goes: one JSON object a line. */
  readonly logTo: DestinationStream;
  readonly onReady: (daemon: Daemon) => void | Promise<void>;
}

/** Long enough for whoever called to say why the daemon ended, too short to serve anybody. */
const lastWordsMs = 200;

/**
 * Runs a daemon in this process until it has stopped, and gives the exit code. The first SIGTERM or SIGINT stops it in good
 * order and leaves the agents running; the second one ends it at once, which loses nothing either.
 */
export async function runDaemon({ logTo, onReady, ...options }: RunOptions): Promise<number> {
  const log = pino({ base: { pid: process.pid }, level: options.environment['SINGLETREE_LOG_LEVEL'] ?? 'info' }, logTo);
  const daemon = await startDaemon({ ...options, log }).catch((error: unknown) => {
    endSoon();
    throw error;
  });
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(128 + (signal === 'SIGINT' ? 2 : 15));
    asked = true;
    void daemon.stop('leave').catch(() => undefined); // `stopped` below tells of it
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    await onReady(daemon);
    await daemon.stopped;
    return 0;
  } catch (error) {
    // A store that failed a sync must not be asked again: end, and recover from what is on disk.
    log.fatal({ err: error }, 'the daemon ends');
    endSoon();
    return 1;
  } finally {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  }
}

/** What still listens, watches and drives would hold the process for ever: half a daemon, which answers nobody. */
function endSoon(): void {
  setTimeout(() => process.exit(process.exitCode ?? 1), lastWordsMs).unref();
}
