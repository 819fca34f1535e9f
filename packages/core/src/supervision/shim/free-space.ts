import { statfs } from 'node:fs/promises';

/** Bytes that ordinary users may still write to the fullest of the file systems that some paths are on. */
export class FreeSpace {
  /** As of the last look; absent where nothing could be learnt. */
  bytes: number | undefined;
  readonly #paths: readonly string[];
  #isLooking = false;

  /** @param paths none: there is nothing to look at */
  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** A file system that does not answer keeps nobody waiting but the next look. */
  async look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const found = await Promise.all(this.#paths.map(freeAt));
    const known = found.filter((bytes) => bytes !== undefined);
    this.bytes = known.length === 0 ? undefined : Math.min(...known);
    this.#isLooking = false;
  }
}

/** Nothing is known of a directory that is gone, or of a file system that tells no size: neither is a full disk. */
async function freeAt(path: string): Promise<number | undefined> {
  try {
    const { blocks, bavail, bsize } = await statfs(path);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}
