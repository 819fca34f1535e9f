import { messageOf } from './message.ts';
import { readableEnd } from './readable.ts';
import { setupHint } from './setup-hint.ts';
import { verdictOf, type GateExit, type Verdict } from './verdict.ts';

/** What is kept of a gate's output, for people and for the agent that has to mend it. */
const tailBytes = 8 * 1024;

export interface Judgement {
  readonly verdict: Verdict['verdict'];
  readonly exitCode?: number;
  /** One line for people; absent for a gate that passed. */
  readonly message?: string;
  /** What would help, where that can be told. */
  readonly hint?: string;
  /** The last 8 KiB of its output, readable. */
  readonly tail?: string;
}

/**
 * What a gate found. The verdict comes from its ending alone; its output only explains.
 *
 * @param output standard output and error; of a longer one the end is enough
 * @param entries names in the directory where it ran
 */
export function judgementOf(exit: GateExit, output: Uint8Array, entries: ReadonlySet<string>): Judgement {
  const { verdict, why } = verdictOf(exit);
  const tail = readableEnd(output, tailBytes);
  const said = verdict === 'passed' ? undefined : messageOf(tail);
  const message = [why, said].filter((part) => part !== undefined).join(' · ');
  const hint = verdict === 'passed' ? undefined : setupHint(exit.code, tail, entries);
  return {
    verdict,
    ...(exit.code === null ? {} : { exitCode: exit.code }),
    ...(message === '' ? {} : { message }),
    ...(hint === undefined ? {} : { hint }),
    ...(tail === '' ? {} : { tail }),
  };
}

/** A gate's or setup's command as it is executed: the user's own shell line, from a flag or a trusted file, never made of a task's text. */
export function shellCommand(command: string): { readonly file: string; readonly args: readonly string[] } {
  return { file: '/bin/sh', args: ['-c', '--', command] };
}
