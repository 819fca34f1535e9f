import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, openSync, writeSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether this process may mount. Root may, outside of most containers. */
export const mayMount: boolean = tryMount();

/** A command under which a program is root in a namespace of its own and may mount there. Not every system lets its users. */
export const asOwnRoot: readonly string[] = ['unshare', '--user', '--map-root-user', '--mount'];
export const mayBeOwnRoot: boolean = spawnSync('unshare', [...asOwnRoot.slice(1), 'true']).status === 0;

/** A disk of its own, in memory, that can be filled up. */
export class SmallDisk implements Disposable {
  readonly path: string;
  readonly #ballast: string;

  constructor(path: string, mebibytes: number) {
    this.path = path;
    this.#ballast = join(path, 'ballast');
    mkdirSync(path, { recursive: true });
    mount(path, `size=${mebibytes}m,mode=0700`);
  }

  /** Leaves so many bytes. */
  fill(leave = 0): void {
    const file = openSync(this.#ballast, 'w');
    const block = Buffer.alloc(4096, 1);
    try {
      while (this.free > leave) writeSync(file, block);
    } finally {
      closeSync(file);
    }
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  empty(): void {
    rmSync(this.#ballast, { force: true });
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['--lazy', this.path]);
  }
}

function mount(path: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
}

function tryMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'singletree-'));
  try {
    mount(path, 'size=4k');
    execFileSync('umount', [path]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(path);
  }
}
