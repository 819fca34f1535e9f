import { runDaemon } from '@singletree/core';

/** The program of a daemon under test: what `singletree up` runs, without its terminal. `node daemon-process.ts STATE CONFIG`. */
const [state, config] = process.argv.slice(2);
if (state === undefined || config === undefined) throw new Error('usage: daemon-process.ts STATE CONFIG');

process.exitCode = await runDaemon({
  state,
  config,
  environment: process.env,
  resolveFrom: import.meta.dirname,
  logTo: process.stderr,
  onReady: ({ facts }) => console.log(JSON.stringify({ address: facts.address })),
});
