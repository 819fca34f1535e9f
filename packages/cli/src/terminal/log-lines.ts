import type { LogChunk } from '@singletree/sdk';

/** A line of a log with its line feed; without one where the log ends so, or the line is so long that it comes in parts. */
export interface LogLine extends Omit<LogChunk, 'data'> {
  readonly bytes: Uint8Array;
}

const longestLine = 64 * 1024;
const lineFeed = 0x0a;

/** Cuts the pieces of logs into lines. A piece ends anywhere, also in the middle of a character. */
export class LogLines {
  /** The beginning of a line in each log of the process that writes. */
  readonly #rests = new Map<string, LogLine>();
  #process = '';

  /** The lines that end in this piece, and before them what another process has left without an end. */
  take({ data, ...chunk }: LogChunk): LogLine[] {
    const lines = processOf(chunk) === this.#process ? [] : this.end();
    this.#process = processOf(chunk);
    const rest = this.#rests.get(chunk.source);
    let left = rest ? Buffer.concat([rest.bytes, data]) : Buffer.from(data);
    let { offset } = rest ?? chunk;
    for (let length = lengthOfLine(left); length > 0; length = lengthOfLine(left)) {
      lines.push({ ...chunk, offset, bytes: left.subarray(0, length) });
      left = left.subarray(length);
      offset += length;
    }
    if (left.length > 0) this.#rests.set(chunk.source, { ...chunk, offset, bytes: left });
    else this.#rests.delete(chunk.source);
    return lines;
  }

  /** What is left without a line feed. */
  end(): LogLine[] {
    const rests = [...this.#rests.values()];
    this.#rests.clear();
    return rests;
  }
}

/** Bytes of the first line, or of the part of it that can be told already; 0 where more must come first. */
function lengthOfLine(bytes: Buffer): number {
  const end = bytes.indexOf(lineFeed) + 1;
  if (end > 0 && end <= longestLine) return end;
  if (bytes.length < longestLine) return 0;
  // Before the first byte of a character that would be cut; no character has more than four.
  for (let length = longestLine; length > longestLine - 4; length--) if (!isContinuation(bytes[length])) return length;
  return longestLine;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Which process wrote it, as one text. */
export function processOf({ attempt, role, name, run }: Pick<LogChunk, 'attempt' | 'role' | 'name' | 'run'>): string {
  return JSON.stringify([attempt, role, name, run]);
}
