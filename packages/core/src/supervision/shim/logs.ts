import { fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessFile } from '../protocol.ts';
import { monotonicMs } from './monotonic.ts';

const clockMs = 1_000;
/** Where a shim died together with its child, what that ran is known up to this. */
const signOfLifeMs = 5_000;

/** The child's two outputs, and the record of how long they were when. */
export class Logs {
  readonly stdout: number;
  readonly stderr: number;
  readonly #clock: number;
  #told = { at: -Infinity, total: -1 };

  constructor(directory: string) {
    const open = (name: ProcessFile): number => openSync(join(directory, name), 'a', 0o600);
    this.stdout = open('stdout.log');
    this.stderr = open('stderr.log');
    this.#clock = open('clock.log');
  }

  lengths(): { stdout: number; stderr: number } {
    return { stdout: fstatSync(this.stdout).size, stderr: fstatSync(this.stderr).size };
  }

  /** Adds a line: where the outputs grew, at most one a second but for the last; where they do not, as a sign of life. */
  tell(last = false): void {
    const { stdout, stderr } = this.lengths();
    const now = monotonicMs();
    const pauseMs = stdout + stderr === this.#told.total ? signOfLifeMs : clockMs;
    if (!last && now - this.#told.at < pauseMs) return;
    this.#told = { at: now, total: stdout + stderr };
    writeSync(this.#clock, `${Date.now()} ${Math.round(now)} ${stdout} ${stderr}\n`);
  }

  sync(): void {
    for (const file of [this.stdout, this.stderr, this.#clock]) fsyncSync(file);
  }
}
