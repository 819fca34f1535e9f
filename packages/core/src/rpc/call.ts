import { createContextKey, type ContextKey, type ConnectError } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import { toConnectError, toRequestError } from './connect-error.ts';

/** One call, as it is told of when it is over. */
export interface Call {
  /** `-` as long as nobody knows. */
  principal: string;
  readonly method: string;
  /** Connect's word; absent while it is open. */
  code?: string;
  /** Of the answer's body. */
  bytes: number;
  /** Whether its request was whole and right, so that what fails from here on is no fault of the caller. */
  entered: boolean;
  /** Not told of. */
  isSilent?: true;
}

export const callKey: ContextKey<Call | undefined> = createContextKey<Call | undefined>(undefined, { description: 'the call' });

/**
 * Notes how a call ended, and gives the error its reason where it has none: those of the wire itself reach nobody else before they are sent. Connect
 * aborts the context of a call with its error right before it writes that.
 */
export function endWith(call: Call, error: ConnectError): void {
  const { code, details, rawMessage } = call.entered ? toConnectError(error) : toRequestError(error);
  Object.assign(error, { code, details, rawMessage });
  call.code ??= codeToString(code);
}
