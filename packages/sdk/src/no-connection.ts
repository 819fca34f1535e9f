import type { Address, TcpAddress } from './address.ts';
import { NoDaemonError, TlsError, type TlsReason } from './errors.ts';

/** The error that says why no connection was made, of what was thrown and all that caused it; undefined if one was made. */
export function noConnection(thrown: unknown, address: string, to: Address): NoDaemonError | TlsError | undefined {
  const causes = causesOf(thrown);
  return nobodyThere(causes, thrown, address, to) ?? noTls(causes, thrown, address, to);
}

/** An error of Node or of the system, whose code is a word. */
interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: unknown;
}

/** A name that has several addresses fails with all their errors at once. */
function causesOf(error: unknown): readonly SystemError[] {
  const found: unknown[] = [];
  for (let cause: unknown = error; cause instanceof Error && !found.includes(cause); cause = cause.cause) {
    found.push(cause, ...(cause instanceof AggregateError ? (cause.errors as unknown[]) : []));
  }
  return found.filter(isSystemError);
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

function nobodyThere(causes: readonly SystemError[], thrown: unknown, address: string, to: Address): NoDaemonError | undefined {
  const cause = causes.find(({ syscall }) => syscall === 'connect' || syscall === 'getaddrinfo');
  if (cause === undefined) return undefined;
  const why = cause.syscall === 'getaddrinfo' ? `${cause.code}: nobody knows a machine of this name` : cause.code;
  return new NoDaemonError(`no daemon answers at ${address} (${why})`, { hint: hintFor(to, cause.syscall), cause: thrown });
}

function hintFor(to: Address, syscall: unknown): string {
  if (to.kind === 'unix') return 'singletree up --detach';
  if (to.isLocal) return 'singletree up --detach, with listen.tcp in the configuration';
  if (syscall === 'getaddrinfo') return `look whether ${to.url.hostname} is right`;
  return `look on ${to.url.hostname} whether singletree status names this address, and whether a firewall stands before it`;
}

/** By the code of Node or OpenSSL. What is not here and begins with ERR_SSL_ is told in its own words. */
const tlsReasons: Readonly<Record<string, TlsReason>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'CERTIFICATE_UNTRUSTED',
  SELF_SIGNED_CERT_IN_CHAIN: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'CERTIFICATE_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'CERTIFICATE_UNTRUSTED',
  CERT_SIGNATURE_FAILURE: 'CERTIFICATE_UNTRUSTED',
  INVALID_CA: 'CERTIFICATE_UNTRUSTED',
  ERR_TLS_CERT_ALTNAME_INVALID: 'CERTIFICATE_WRONG_NAME',
  CERT_HAS_EXPIRED: 'CERTIFICATE_EXPIRED',
  CERT_NOT_YET_VALID: 'CERTIFICATE_EXPIRED',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'CLIENT_CERTIFICATE_REFUSED',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'CLIENT_CERTIFICATE_REFUSED',
  ERR_SSL_SSL_ALERT_BAD_CERTIFICATE: 'CLIENT_CERTIFICATE_REFUSED',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'CLIENT_CERTIFICATE_REFUSED',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'CLIENT_CERTIFICATE_REFUSED',
  // Whoever answers in the clear is taken for an unknown version of TLS.
  ERR_SSL_WRONG_VERSION_NUMBER: 'NOT_TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'NOT_TLS',
  HPE_INVALID_CONSTANT: 'NOT_HTTP',
};

function noTls(causes: readonly SystemError[], thrown: unknown, address: string, to: Address): TlsError | undefined {
  if (to.kind === 'unix') return undefined;
  const cause = causes.find((each) => codeOf(each) in tlsReasons || codeOf(each).startsWith('ERR_SSL_'));
  if (cause === undefined) return undefined;
  const reason = tlsReasons[codeOf(cause)] ?? 'TLS_FAILED';
  const [message, hint] = told(reason, cause, to);
  return new TlsError(message.replace('{address}', address), { reason, hint, cause: thrown });
}

/** While a connection is made, Node gives OpenSSL's reason in the text alone: `… EPROTO …:SSL routines:FUNCTION:wrong version number:…`. */
function codeOf({ code, message }: SystemError): string {
  if (code !== 'EPROTO') return code;
  const [, words = 'protocol error'] = /SSL routines:[^:]*:([^:]+):/.exec(message) ?? [];
  return `ERR_SSL_${words.toUpperCase().replaceAll(/[ /]/g, '_')}`;
}

function told(reason: TlsReason, cause: SystemError, { url, isLocal }: TcpAddress): readonly [message: string, hint: string] {
  switch (reason) {
    case 'CERTIFICATE_UNTRUSTED':
      return [
        `nobody who is trusted here vouches for the certificate of {address} (${codeOf(cause)})`,
        'name the file of its authority, or of itself if it is signed by itself: --ca-file FILE or $SINGLETREE_CA_FILE',
      ];
    case 'CERTIFICATE_WRONG_NAME':
      return [
        `the certificate of {address} is not for ${url.hostname}, but for ${namesOf(cause)}`,
        'take one of these names, or a certificate for this one',
      ];
    case 'CERTIFICATE_EXPIRED':
      return [
        `the certificate of {address} ${cause.code === 'CERT_NOT_YET_VALID' ? 'is not valid yet' : 'has expired'}`,
        "renew listen.tls.certificate on the daemon's machine; if it is new, look at the clocks of both machines",
      ];
    case 'CLIENT_CERTIFICATE_REFUSED':
      return [
        `{address} asks for a client certificate, and does not take ours (${codeOf(cause)})`,
        'set $SINGLETREE_CLIENT_CERTIFICATE_FILE and $SINGLETREE_CLIENT_KEY_FILE to one that listen.tls.client_ca vouches for',
      ];
    case 'NOT_TLS':
      return [
        '{address} speaks no TLS',
        isLocal ? `try http://${url.host}` : 'listen.tls in the configuration of the daemon switches it on',
      ];
    case 'NOT_HTTP':
      return ['{address} does not answer in HTTP', `another program listens there, or it speaks TLS: try https://${url.host}`];
    case 'TLS_FAILED':
      return [`no TLS connection to {address} (${codeOf(cause)})`, 'the log of the daemon may say more'];
  }
}

/** `DNS:localhost, IP Address:127.0.0.1` as names alone. */
function namesOf(cause: Error): string {
  const certificate: unknown = 'cert' in cause ? cause.cert : undefined;
  const names =
    typeof certificate === 'object' && certificate !== null && 'subjectaltname' in certificate ? certificate.subjectaltname : undefined;
  return typeof names === 'string' ? names.replace(/(DNS|IP Address):/g, '') : 'another';
}
