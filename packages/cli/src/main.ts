#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Before anything else is loaded. In our own folder; where that cannot be written, there is no cache.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/singletree'));
const { cli } = await import('./cli.ts');

for (const stream of [process.stdout, process.stderr]) {
  // Whoever reads has gone, as `head` does: nothing is left to say, and nobody to say it to. The code is what SIGPIPE gives.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141);
    throw error;
  });
}

process.exitCode = await cli(process.argv.slice(2), {
  env: process.env,
  get cwd() {
    return process.cwd();
  },
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  onInterrupt(handler) {
    process.on('SIGINT', handler);
    return () => process.off('SIGINT', handler);
  },
});
