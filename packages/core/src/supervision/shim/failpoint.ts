import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FailpointName } from '../../failpoints.ts';

const failpoints = process.env['SINGLETREE_FAILPOINTS'];

/** The same grammar as in failpoints.ts, for what a shim can do at a place that it reaches once: be killed or held. */
export function failpoint(name: FailpointName): void {
  const [, action, hold] = new RegExp(`(?:^|,)${name}=(kill|hold)(?::([^,]+))?`).exec(failpoints ?? '') ?? [];
  if (action === undefined) return;
  const directory = hold ?? process.env['SINGLETREE_FAILPOINT_DIR'];
  if (directory !== undefined) writeFileSync(join(directory, `${name}.hit`), `${process.pid}\n`);
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  while (hold !== undefined && !existsSync(join(hold, `${name}.go`))) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

export function around(place: 'shim.owner' | 'shim.run' | 'shim.kill' | 'shim.exit'): (moment: 'before' | 'after') => void {
  return (moment) => failpoint(`${place}.${moment}`);
}
