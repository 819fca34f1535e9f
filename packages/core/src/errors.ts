/**
 * A refusal that a client can act on: what is wrong, where, and what would be right. The reason is what programs branch on;
 * `rpc/` gives each its Connect code.
 */
export class DomainError extends Error {
  readonly reason: string;
  readonly hint: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(
    reason: string,
    message: string,
    details: { hint?: string; metadata?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'DomainError';
    this.reason = reason;
    this.hint = details.hint;
    this.metadata = details.metadata ?? {};
  }
}
