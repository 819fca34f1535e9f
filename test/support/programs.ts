import { join } from 'node:path';

/** Names the folder in which ./bundle.ts has put the programs. */
export const bundleVariable = 'SINGLETREE_TEST_BUNDLE';

const bundle = process.env[bundleVariable];
const sources = join(import.meta.dirname, '../..');

/** The command, to be started by Node. */
export const commandProgram: string = bundle === undefined ? join(sources, 'packages/cli/src/main.ts') : join(bundle, 'src/main.js');
/** The daemon alone: ./daemon-process.ts tells its arguments. */
export const daemonProgram: string =
  bundle === undefined ? join(import.meta.dirname, 'daemon-process.ts') : join(bundle, 'src/daemon-process.js');
/** The command's package: plugins are looked for from there. */
export const commandFolder: string = bundle ?? join(sources, 'packages/cli');
