/**
 * Starts the child inside a PID namespace and waits for it there: bubblewrap itself tells a signal as a number above 128, which is also what
 * a program may exit with. Talks with the shim in lines of JSON on descriptor 3; the child's standard error comes on descriptor 4, so that
 * what goes wrong here is not found in the child's log.
 */
import { readSync, writeSync } from 'node:fs';
import type { ExitRecord } from '../protocol.ts';
import { describeSpawnError, spawnChild, startedOf, type Command } from './child.ts';
import { isObject } from './files.ts';
import { childrenCpuMs } from './process-table.ts';

const pipe = 3;
const childStderr = 4;

/** What is said, in this order: `ready`, then the command is read; `child` or `refused`; then a line is read, and `exit` ends it. */
export type Said =
  | { readonly said: 'ready' }
  | { readonly said: 'child' }
  | { readonly said: 'refused'; readonly error: NonNullable<ExitRecord['spawnError']> }
  | { readonly said: 'exit'; readonly code: number | null; readonly signal: string | null; readonly cpuMs: number };

function say(what: Said): void {
  writeSync(pipe, `${JSON.stringify(what)}\n`);
}

/** Empty once the shim is gone. Blocks: while nothing else runs here, the child is not reaped, so its number is its own when the shim looks for it. */
function readLine(): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(64 * 1024);
    const length = readSync(pipe, chunk);
    chunks.push(chunk.subarray(0, length));
    if (length === 0 || chunk[length - 1] === 10) return Buffer.concat(chunks).toString('utf8');
  }
}

function isCommand(value: unknown): value is Command {
  return isObject(value) && typeof value['file'] === 'string' && Array.isArray(value['args']) && isObject(value['env']);
}

say({ said: 'ready' });
const command: unknown = JSON.parse(readLine());
if (!isCommand(command)) throw new Error('the shim has sent something else than a command');
try {
  const { ended } = await startedOf(spawnChild(command, [0, 1, childStderr]));
  say({ said: 'child' });
  readLine();
  const { code, signal } = await ended;
  say({ said: 'exit', code, signal, cpuMs: childrenCpuMs() });
  // The namespace ends with this program: the shim first looks who is left.
  readLine();
} catch (error) {
  say({ said: 'refused', error: describeSpawnError(error) });
}
