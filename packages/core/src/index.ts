export { startDaemon, type Daemon, type DaemonOptions } from './daemon.ts';
export * from './local.ts';
export { runDaemon, type RunOptions } from './main.ts';
export { version } from './version.ts';
