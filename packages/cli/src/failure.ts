import { codeOfError, exitCodes, type ExitCode } from './exit-codes.ts';
import type { Look } from './terminal/look.ts';
import { paint, typeset } from './terminal/marks.ts';
import { clean } from './terminal/text.ts';

interface FailureFields {
  readonly code: string;
  readonly reason: string;
  readonly hint?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly exitCode?: ExitCode;
}

/** What a command could not do: what is wrong, where, and what would be right. */
export class CommandFailure extends Error {
  readonly code: string;
  readonly reason: string;
  readonly hint: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly exitCode: ExitCode;

  constructor(message: string, { code, reason, hint, metadata, exitCode }: FailureFields) {
    super(message);
    this.name = 'CommandFailure';
    this.code = code;
    this.reason = reason;
    this.hint = hint;
    this.metadata = metadata ?? {};
    this.exitCode = exitCode ?? codeOfError(this);
  }
}

/** Something was typed or given that cannot be right. Nothing was created. */
export function badInput(
  message: string,
  hint?: string,
  reason = 'INVALID_REQUEST',
  metadata: Record<string, string> = {},
): CommandFailure {
  return new CommandFailure(message, { code: 'invalid_argument', reason, hint, metadata, exitCode: exitCodes.usage });
}

/**
 * Whatever was thrown as a failure that can be shown. Errors of the client and of the daemon's own rooms tell their reason and hint in
 * fields of the same names; they are recognised by these, so that neither has to be loaded to fail.
 */
export function failureFrom(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof Error && 'reason' in error && typeof error.reason === 'string') {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'failed_precondition';
    const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : undefined;
    return new CommandFailure(error.message, { code, reason: error.reason, hint, metadata: textsOf(error) });
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CommandFailure(message, { code: 'internal', reason: 'INTERNAL' });
}

function textsOf(error: Error): Record<string, string> {
  const metadata: unknown = 'metadata' in error ? error.metadata : undefined;
  if (typeof metadata !== 'object' || metadata === null) return {};
  return Object.fromEntries(Object.entries(metadata).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

/** For people: `error: …`, and below it what would be right. */
export function failureText({ message, hint }: CommandFailure, look: Look): string {
  const [first, ...more] = clean(message).split('\n');
  const below = [...more, ...(hint === undefined ? [] : clean(hint).split('\n'))].map((line) => `  ${line}\n`).join('');
  return typeset(look, `${paint(look, 'red', 'error:')} ${first}\n${below}`);
}

/** For programs: one object on one line. */
export function failureJson({ code, reason, message, hint, metadata }: CommandFailure): object {
  return { error: { code, reason, message, ...(hint === undefined ? {} : { hint }), metadata } };
}
