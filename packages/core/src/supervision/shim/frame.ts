import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { isObject } from './files.ts';

/** A daemon that dies while it hands over the secrets closes the pipe; one that hangs is given up after this. */
const frameLimitMs = 5_000;
const frameLimitBytes = 16 * 1024 * 1024;

/** Reads the frame: four bytes of length, a body of JSON name → value, the body's SHA-256. The pipe stays open until the directory has its owner. */
export async function readFrame(pipe: Socket): Promise<Record<string, string>> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let received = Buffer.alloc(0);
  pipe.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 4) return;
    const length = received.readUInt32BE(0);
    if (length > frameLimitBytes) reject(new Error(`the frame says ${length} bytes; at most ${frameLimitBytes} are taken`));
    if (received.length >= length + 36) resolve(received);
  });
  pipe.on('error', reject);
  pipe.on('end', () => reject(new Error('the daemon closed the pipe before the frame was whole')));
  const timer = setTimeout(() => reject(new Error(`no whole frame within ${frameLimitMs} ms`)), frameLimitMs);
  const frame = await promise;
  clearTimeout(timer);
  const length = frame.readUInt32BE(0);
  const body = frame.subarray(4, 4 + length);
  const sum = frame.subarray(4 + length, 36 + length);
  if (!hash('sha256', body, 'buffer').equals(sum)) throw new Error('the frame is damaged');
  const secrets: unknown = length === 0 ? {} : JSON.parse(body.toString('utf8'));
  if (!isStrings(secrets)) throw new Error('the frame holds something else than texts by name');
  return secrets;
}

function isStrings(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}
