import { flushCompileCache } from 'node:module';
import { runDaemon } from '@singletree/core';

/** The program of a daemon under test: what `singletree up` runs, without its terminal. `node daemon-process.ts STATE CONFIG FOLDER`, where plugins are looked for from FOLDER. */
const [state, config, resolveFrom] = process.argv.slice(2);
if (state === undefined || config === undefined || resolveFrom === undefined) {
  throw new Error('usage: daemon-process.ts STATE CONFIG FOLDER');
}

process.exitCode = await runDaemon({
  state,
  config,
  environment: process.env,
  resolveFrom,
  logTo: process.stderr,
  onWarning: () => undefined,
  onReady({ facts }) {
    console.log(JSON.stringify({ address: facts.address }));
    // Now, because a daemon that is killed writes nothing at its end.
    flushCompileCache();
  },
});
