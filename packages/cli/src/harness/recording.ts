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
  return piecesOf(await checked(path, cwd));
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
  await using handle = await open(await checked(path, cwd));
  const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  return buffer.toString('latin1') === 'SQLite format 3\0';
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
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; at += chunkBytes) yield chunk.subarray(at, at + chunkBytes);
  }
}
