import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionQuery } from '@singletree/harness';
import { hostCall } from '../supervision/host.ts';
import { openRegularFile, type ReadFile } from './regular-file.ts';

/** The program beside this file: source where this is source, built where this is built. */
const program = fileURLToPath(new URL(`./sqlite-rows${extname(import.meta.url)}`, import.meta.url));
/** A query of one session takes milliseconds; starting Node on a machine that is fully loaded, seconds. */
const limitMs = 30_000;
/** How long it waits for a writer. */
const busyMs = 5_000;

/**
 * What a query finds in a SQLite database that somebody else writes: the rows' first column, a line each. What is committed, that which a
 * killed writer has left in the log beside the database included. The database is only read; SQLite may leave its index of that log behind.
 */
export async function readRows(path: string, { sql, parameters }: Omit<SessionQuery, 'path'>, mostBytes: number): Promise<ReadFile> {
  const opened = await openRegularFile(path);
  if ('refused' in opened) return opened;
  await opened.close();
  const args = [program, path, String(busyMs), sql, ...parameters];
  const answer = await hostCall(process.execPath, args, { timeoutMs: limitMs, maxBytes: mostBytes });
  if (answer.truncated) return { refused: `holds more than ${mostBytes} bytes of it` };
  if (answer.timedOut) return { refused: `gave no answer within ${limitMs / 1000} s` };
  if (answer.code !== 0) return { refused: `cannot be asked: ${/^(?:\w*Error: )(.*)$/m.exec(answer.stderr)?.[1] ?? 'no reason given'}` };
  return { bytes: answer.stdout };
}
