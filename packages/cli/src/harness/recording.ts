import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { World } from '../call.ts';
import { badInput } from '../failure.ts';

/** What a decoder is called with at most. */
const chunkBytes = 256 * 1024;

/** For all session files together, as in the daemon. */
const mostSessionBytes = 256 * 1024 * 1024;

/** The bytes of a recorded output, piece by piece: of a file, or of standard input for `-`. Throws before the first piece what cannot be read. */
export async function openRecording(path: string, { stdin, cwd }: World): Promise<AsyncIterable<Uint8Array>> {
  if (path === '-') {
    if (stdin.isTTY) throw badInput('there is nothing to decode', 'name a file, or pipe the output in');
    return pieces(stdin);
  }
  const file = await checked(path, cwd);
  refusePacked(await startOf(file), path);
  return piecesOf(file);
}

/** Whatever is packed would only be thousands of lines that nobody knows. */
const packed: readonly (readonly [magic: string, unpack: string])[] = [
  ['1f8b', 'gzip -dc'],
  ['28b52ffd', 'zstd -dc'],
  ['fd377a585a00', 'xz -dc'],
  ['504b0304', 'unzip -p'],
];

function refusePacked(start: Uint8Array, name: string): void {
  const hex = Buffer.from(start.subarray(0, 6)).toString('hex');
  const found = packed.find(([magic]) => hex.startsWith(magic));
  if (found) throw badInput(`${name} is packed`, `unpack it first: ${found[1]} FILE | singletree harness decode ID`);
}

/** A whole file, for what a plugin reads as a whole. */
export async function readSmall(path: string, cwd: string, mostBytes: number = mostSessionBytes): Promise<Buffer> {
  const file = await checked(path, cwd);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of piecesOf(file)) {
    length += part.length;
    if (length > mostBytes) throw badInput(`${path} is larger than ${mostBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Whether a file is a SQLite database. */
export async function isDatabase(path: string, cwd: string): Promise<boolean> {
  return (await startOf(await checked(path, cwd))).toString('latin1') === 'SQLite format 3\0';
}

/** The first 16 bytes. None of a pipe: they could not be read again. */
async function startOf(file: string): Promise<Buffer> {
  await using handle = await open(file);
  if (!(await handle.stat()).isFile()) return Buffer.alloc(0);
  const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  return buffer;
}

async function checked(path: string, cwd: string): Promise<string> {
  const file = resolve(cwd, path);
  try {
    if ((await stat(file)).isDirectory()) throw badInput(`${path} is a directory`, 'name a file of it');
    const handle = await open(file);
    await handle.close();
    return file;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw badInput(`there is no file ${path}`);
    if (code === 'EACCES' || code === 'ELOOP' || code === 'ENAMETOOLONG') throw badInput(`${path} cannot be read: ${code}`);
    throw error;
  }
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  await using handle = await open(file);
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* pieces(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const chunk of stream) {
    if (isFirst) refusePacked(chunk, 'standard input');
    isFirst = false;
    for (let at = 0; at < chunk.length; at += chunkBytes) yield chunk.subarray(at, at + chunkBytes);
  }
}
