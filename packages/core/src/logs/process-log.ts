import { lstat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegularFile, readRegularFile } from '../attempt/regular-file.ts';
import { parseClock, type ClockLine, type LogName } from '../supervision/directory.ts';
import type { ProcessFile } from '../supervision/protocol.ts';
import type { Instant } from '../task/task.ts';

/** Bytes of one log that follow one another. */
export interface Piece {
  readonly source: LogName;
  readonly offset: number;
  readonly bytes: Buffer;
  /** When they had been written. */
  readonly at: Instant;
}

const pieceBytes = 64 * 1024;
/** More than a week of one line a second; a clock that is larger is not ours, and tells nothing. */
const mostClockBytes = 64 * 1024 * 1024;

/** What one process wrote to its two outputs, read on from where the last reading ended. It ran as our own user, so nothing in its directory is believed. */
export class ProcessLog {
  readonly #directory: string;
  readonly #offsets: Record<LogName, number> = { stdout: 0, stderr: 0 };
  #complete = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * What has come since the last call, both outputs in turns by the clock that the shim kept: within a second, standard output goes first.
   * A log that is not there, or is no regular file, is empty.
   */
  async *read(): AsyncGenerator<Piece> {
    if (this.#complete) return;
    const ended = await exists(this.#path('exit.json'));
    await using stdout = await this.#open('stdout');
    await using stderr = await this.#open('stderr');
    const logs = [stdout, stderr].filter((log) => log !== undefined);
    if (logs.some(({ source, length }) => length > this.#offsets[source])) {
      for (const moment of await this.#clock()) {
        for (const log of logs) yield* this.#readUntil(log, moment[log.source], moment.wall);
      }
      for (const log of logs) yield* this.#readUntil(log, log.length, log.writtenAt);
    }
    this.#complete = ended;
  }

  async *#readUntil({ source, file, length }: OpenLog, until: number, at: Instant): AsyncGenerator<Piece> {
    const end = Math.min(until, length);
    while (this.#offsets[source] < end) {
      const offset = this.#offsets[source];
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(pieceBytes, end - offset)), 0, null, offset);
      // Somebody has cut it short.
      if (bytesRead === 0) return;
      this.#offsets[source] = offset + bytesRead;
      yield { source, offset, bytes: buffer.subarray(0, bytesRead), at };
    }
  }

  async #open(source: LogName): Promise<OpenLog | undefined> {
    const file = await openRegularFile(this.#path(`${source}.log`));
    if ('refused' in file) return undefined;
    const { size, mtimeMs } = await file.stat();
    return { source, file, length: size, writtenAt: Math.floor(mtimeMs), [Symbol.asyncDispose]: () => file.close() };
  }

  async #clock(): Promise<ClockLine[]> {
    const read = await readRegularFile(this.#path('clock.log'), mostClockBytes);
    return 'refused' in read ? [] : parseClock(read.bytes.toString('latin1'));
  }

  #path(name: ProcessFile): string {
    return join(this.#directory, name);
  }
}

interface OpenLog extends AsyncDisposable {
  readonly source: LogName;
  readonly file: FileHandle;
  /** Bytes in it now. */
  readonly length: number;
  /** When the last of them was written. */
  readonly writtenAt: Instant;
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
