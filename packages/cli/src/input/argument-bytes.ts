import { readFileSync } from 'node:fs';
import { invalidUtf8At } from '@singletree/core/local';
import type { Command } from 'commander';
import { badInput } from '../failure.ts';

/** Refuses the value of a flag that is not UTF-8: it would reach the task mended, as another text than the one that was typed. */
export function refuseInvalidFlags(command: Command, typed = typedArguments): void {
  const values: Readonly<Record<string, unknown>> = command.optsWithGlobals();
  for (const option of command.options) {
    for (const value of [values[option.attributeName()]].flat()) {
      if (typeof value !== 'string') continue;
      // `--title TEXT`, `--title=TEXT` and `-fFILE`.
      const before = ['', ...(option.long ? [`${option.long}=`] : []), ...(option.short ? [option.short] : [])];
      for (const prefix of before) {
        const bytes = bytesOfArgument(prefix + value, typed)?.subarray(prefix.length);
        const offset = bytes && invalidUtf8At(bytes);
        if (offset === undefined) continue;
        const flag = option.long ?? option.flags;
        throw badInput(`${flag} is not valid UTF-8 at byte ${offset}`, 'an argument is text in UTF-8', 'INVALID_REQUEST', {
          flag,
          offset: String(offset),
        });
      }
    }
  }
}

/**
 * The bytes of an argument as the shell gave them; undefined if none reads like this. Node replaces what is not UTF-8 by U+FFFD; the
 * kernel still has the original.
 */
export function bytesOfArgument(text: string, typed = typedArguments): Uint8Array | undefined {
  if (!text.includes('\ufffd')) return Buffer.from(text);
  return typed().find((bytes) => bytes.toString() === text);
}

function typedArguments(): Buffer[] {
  const bytes = readFileSync('/proc/self/cmdline');
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    parts.push(bytes.subarray(from, end < 0 ? bytes.length : end));
    from = end < 0 ? bytes.length : end + 1;
  }
  return parts;
}
