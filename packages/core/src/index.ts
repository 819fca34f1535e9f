export { configurationHash, otelHash, startDaemon, type Daemon, type DaemonOptions } from './daemon.ts';
export { loadConfiguration, type LoadedConfiguration } from './config/load.ts';
export { parseDuration, parseSize } from './config/units.ts';
export { DomainError } from './errors.ts';
export { runDaemon, type RunOptions } from './main.ts';
export { statePaths, type StatePaths } from './state-folder/paths.ts';
export { version } from './version.ts';
