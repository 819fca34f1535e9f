import type { Decoder } from './contract.ts';
import type { HarnessEvent, HarnessEventBody, OutputSource } from './events.ts';
import { parseJsonObject, type JsonObject } from './json.ts';
import type { Line } from './line.ts';
import { fit } from './fit.ts';

/** Longest line that is read. A CLI repeats a whole answer in one line (5 MB were seen); what never ends must not fill the memory. */
export const maxLineBytes: number = 8 * 1024 * 1024;

const lineFeed = 0x0a;

/** Cuts bytes into lines, however they are chunked. Holds back the bytes of one unfinished line, at most `maxLineBytes`. */
export class LineSplitter {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #startsAt = 0;
  #position = 0;

  /** Offset behind the last byte taken. */
  get position(): number {
    return this.#position;
  }

  push(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, from)) {
      this.#hold(bytes.subarray(from, at));
      this.#position += 1;
      lines.push(this.#take());
      from = at + 1;
    }
    this.#hold(bytes.subarray(from));
    return lines;
  }

  /** The unfinished last line, if there is one. */
  end(): Line | undefined {
    return this.#position > this.#startsAt ? this.#take() : undefined;
  }

  #hold(bytes: Uint8Array): void {
    this.#position += bytes.length;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > maxLineBytes) this.#held = [];
    // A copy: the caller may use its buffer again.
    else if (bytes.length > 0) this.#held.push(Buffer.from(bytes));
  }

  #take(): Line {
    const text = this.#heldBytes > maxLineBytes ? undefined : decodeText(this.#held);
    const line = { startsAt: this.#startsAt, endsAt: this.#position, text };
    this.#held = [];
    this.#heldBytes = 0;
    this.#startsAt = this.#position;
    return line;
  }
}

const decoder = new TextDecoder();

/**
 * Whole lines only reach this, so that no character is ever split; bytes that are not UTF-8 become replacement characters. A byte order mark, with
 * which an editor may have begun a recording, is none of the text.
 */
function decodeText(parts: readonly Uint8Array[]): string {
  const text = decoder.decode(Buffer.concat(parts));
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

/** Reads one JSON object of the output. Gives the events it means; `undefined` for an object that the plugin does not know. */
export type ReadLine = (json: JsonObject, line: Line) => readonly HarnessEventBody[] | undefined;

/** Reads a line that is no JSON object, in the same way. */
export type ReadText = (text: string) => readonly HarnessEventBody[] | undefined;

/** A decoder for CLIs that print one JSON object a line: a plugin only gives the switch over them. What is no JSON object or not known
 *  to it becomes `raw`; long text is cut and points into the log. */
export function lineDecoder(source: OutputSource, read: ReadLine, readText?: ReadText): Decoder {
  const splitter = new LineSplitter();

  const decode = (line: Line): HarnessEvent[] => {
    if (line.text === undefined) {
      const message = `line of ${line.endsAt - line.startsAt} bytes at offset ${line.startsAt} of ${source} is longer than ${maxLineBytes} bytes: skipped`;
      return [{ kind: 'warning', message, source, endsAt: line.endsAt }];
    }
    if (line.text.trim() === '') return [];
    const json = parseJsonObject(line.text);
    const bodies = (json ? read(json, line) : readText?.(line.text)) ?? [{ kind: 'raw', line: line.text }];
    return bodies.map((body) => fit({ ...body, source, endsAt: line.endsAt }, line));
  };

  return {
    push: (bytes) => splitter.push(bytes).flatMap(decode),
    end: () => {
      const last = splitter.end();
      return last ? decode(last) : [];
    },
  };
}

/** A decoder for a source that carries no events. It stays in the log. */
export function silentDecoder(): Decoder {
  return { push: () => [], end: () => [] };
}
