import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

/** The bytes of a file, or why there are none, in words that follow its name. */
export type ReadFile = { readonly bytes: Buffer } | { readonly refused: string };

/**
 * Never waits: a FIFO without a writer would hold one of the few threads that read files for the whole daemon.
 * And never through a link as the last name, which whoever writes in that folder could point anywhere.
 */
const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY;

const refusals: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  ENAMETOOLONG: 'does not exist',
  ELOOP: 'is a symbolic link',
  ENXIO: 'is not a regular file',
  ENODEV: 'is not a regular file',
  EACCES: 'must not be read by this daemon',
  EPERM: 'must not be read by this daemon',
};

/** Reads a file that somebody else chose and may change: regular, of at most so many bytes. Throws for faults of the machine only. */
export async function readRegularFile(path: string, mostBytes: number): Promise<ReadFile> {
  const opened = await openRegularFile(path);
  if ('refused' in opened) return opened;
  await using file = opened;
  const found = await file.stat();
  if (found.size > mostBytes) return { refused: `is larger than ${mostBytes} bytes` };
  const bytes = Buffer.alloc(found.size);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
    length += bytesRead;
    if (bytesRead === 0 || length === bytes.length) return { bytes: bytes.subarray(0, length) };
  }
}

/** Opens such a file to read from it. */
export async function openRegularFile(path: string): Promise<FileHandle | { readonly refused: string }> {
  const opened = await openToRead(path);
  // What was opened counts, not what the path meant a moment ago.
  if ('refused' in opened || (await opened.stat()).isFile()) return opened;
  await opened.close();
  return { refused: 'is not a regular file' };
}

async function openToRead(path: string): Promise<FileHandle | { readonly refused: string }> {
  try {
    return await open(path, flags);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const refused = refusals[code];
    if (refused === undefined) throw error;
    return { refused };
  }
}
