#!/usr/bin/env -S node --max-semi-space-size=4
import module from 'node:module';
import { join } from 'node:path';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 15) || process.platform !== 'linux') {
  console.error(`error: singletree needs Linux and Node 24.15 or newer; this is ${process.platform} with Node ${process.versions.node}`);
  process.exit(1);
}
// Before anything else is loaded. In our own folder; where that cannot be written, there is no cache.
module.enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/singletree'));
const { cli } = await import('./cli.ts');

for (const stream of [process.stdout, process.stderr]) {
  // Whoever reads has gone, as `head` does: nothing is left to say, and nobody to say it to. The code is what SIGPIPE gives.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141);
    if (stream !== process.stderr) process.stderr.write(`error: cannot write to standard output: ${error.message}\n`);
    process.exit(1);
  });
}

process.exitCode = await cli(process.argv.slice(2), {
  env: process.env,
  get cwd() {
    return process.cwd();
  },
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  onInterrupt(handler) {
    process.on('SIGINT', handler);
    return () => process.off('SIGINT', handler);
  },
});
