/** What a command on the daemon's own machine needs of a daemon that it does not run: apart, because the whole takes long to load. */
export { configurationHash, otelHash } from './config/hash.ts';
export { loadConfiguration, type LoadedConfiguration } from './config/load.ts';
export { nearest } from './nearest.ts';
export { parseDuration, parseSize } from './config/units.ts';
export { DomainError } from './errors.ts';
export { readAddress, type Address } from './state-folder/address.ts';
export { refuseObstacles } from './state-folder/obstacles.ts';
export { statePaths, type StatePaths } from './state-folder/paths.ts';
export { invalidUtf8At } from './utf8.ts';
export { privateFolder } from './state-folder/private-folder.ts';
export { failureReasons } from './task/reasons.ts';
export { fixedReasons } from './task/retry.ts';
export { findRates, billedKinds, type FoundRates } from './pricing/price-list.ts';
export { namesLike } from './pricing/list.ts';
export { covers } from './trust/covers.ts';
export { changeTrust, readTrust, trustFile } from './trust/record.ts';
