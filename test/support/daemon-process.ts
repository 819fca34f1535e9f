import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { runDaemon } from '@singletree/core';

/** The program of a daemon under test: what `singletree up` runs, without its terminal. `node daemon-process.ts STATE CONFIG`. */
const [state, config] = process.argv.slice(2);
if (state === undefined || config === undefined) throw new Error('usage: daemon-process.ts STATE CONFIG');

process.exitCode = await runDaemon({
  state,
  config,
  environment: process.env,
  // As the published command does: plugins resolve from its own package.
  resolveFrom: join(import.meta.dirname, '../../packages/cli'),
  logTo: process.stderr,
  onReady({ facts }) {
    console.log(JSON.stringify({ address: facts.address }));
    // Now, because a daemon that is killed writes nothing at its end.
    flushCompileCache();
  },
});
