import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema } from '@singletree/protocol';
import type { Address } from './address.ts';
import type { Token } from './credentials.ts';
import { ConnectionLostError, SingletreeError, TokenError, type TokenReason } from './errors.ts';
import { noConnection } from './no-connection.ts';

/** Where a call went. */
export interface Called {
  /** As it was given. */
  readonly address: string;
  readonly to: Address;
  /** What was shown there. */
  readonly token?: Token | undefined;
}

/** Whatever a call threw, as one of our errors. An error that does not come from the call is given back as it is. */
export function failureOf(error: unknown, called: Called): unknown {
  if (!(error instanceof ConnectError)) return error;
  return noConnection(error, called.address, called.to) ?? (error.isWireError ? refusal(error, called) : noAnswer(error, called));
}

/** An error that the daemon has sent. */
function refusal(error: ConnectError, { token }: Called): SingletreeError {
  const [info] = error.findDetails(ErrorInfoSchema);
  const { hint, ...metadata } = info?.metadata ?? {};
  const fields = { metadata, cause: error };
  // Whoever stands before a daemon may ask for a token too, and gives no reasons of ours.
  const reason = info?.reason ?? (error.code === Code.Unauthenticated ? 'TOKEN_INVALID' : undefined);
  if (!isTokenReason(reason)) return new SingletreeError(error.rawMessage, { code: nameOf(error.code), reason, hint, ...fields });
  const source = token === undefined ? [] : [`the token came from ${token.source}`];
  const told = [...(hint === undefined ? [] : [hint]), ...source].join('\n');
  return new TokenError(error.rawMessage, { reason, ...(told === '' ? {} : { hint: told }), ...fields });
}

/** An answer of HTTP alone, or one that broke off. */
function noAnswer(error: ConnectError, { address, to }: Called): SingletreeError {
  const isAnother = /^(HTTP \d+$|unsupported content type)/.test(error.rawMessage);
  if (!isAnother) {
    // Whoever speaks TLS hangs up on HTTP without a word.
    const hint = to.kind === 'http' ? `if it speaks TLS: https://${to.url.host}` : undefined;
    return new ConnectionLostError(`lost the daemon at ${address}: ${wordsOf(error)}`, { hint, cause: error });
  }
  if (error.code === Code.Unauthenticated) return new TokenError(`${address} refuses the token`, { reason: 'TOKEN_INVALID', cause: error });
  return new SingletreeError(`${address} answers, but not as this daemon does (${error.rawMessage})`, {
    code: nameOf(error.code),
    hint: 'look whether another program, or a daemon of another version, listens there',
    cause: error,
  });
}

/** What the library says of a connection that broke is about its protocol. */
function wordsOf({ rawMessage, cause }: ConnectError): string {
  if (/EndStreamResponse|premature/i.test(rawMessage)) return 'the answer broke off';
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE' || rawMessage === 'aborted' ? 'the connection broke' : rawMessage;
}

function isTokenReason(reason: string | undefined): reason is TokenReason {
  return reason === 'TOKEN_MISSING' || reason === 'TOKEN_INVALID' || reason === 'SCOPE_MISSING';
}

/** `FailedPrecondition` → `failed_precondition`. */
function nameOf(code: Code): string {
  return (Code[code] ?? 'Unknown').replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
