#!/usr/bin/env node
import { cli } from './cli.ts';

for (const stream of [process.stdout, process.stderr]) {
  // Whoever reads has gone, as `head` does: nothing is left to say, and nobody to say it to.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
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
