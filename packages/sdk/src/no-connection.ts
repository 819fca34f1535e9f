import type { Address } from './address.ts';
import { NoDaemonError, TlsError, type TlsReason } from './errors.ts';

/** The error that says why no connection was made, of what was thrown and all that caused it; undefined if one was made. */
export function noConnection(thrown: unknown, address: string, to: Address): NoDaemonError | TlsError | undefined {
  const causes = causesOf(thrown);
  return nobodyThere(causes, thrown, address, to) ?? noTls(causes, thrown, address, to);
}

/** A name that has several addresses fails with all their errors at once. */
function causesOf(error: unknown): readonly NodeJS.ErrnoException[] {
  const found: NodeJS.ErrnoException[] = [];
  for (let cause: unknown = error; cause instanceof Error && !found.includes(cause); cause = cause.cause) {
    found.push(cause);
    if (cause instanceof AggregateError) found.push(...cause.errors.filter((each) => each instanceof Error));
  }
  return found;
}

function nobodyThere(causes: readonly NodeJS.ErrnoException[], thrown: unknown, address: string, to: Address): NoDaemonError | undefined {
  const cause = causes.find(({ syscall, code }) => (syscall === 'connect' || syscall === 'getaddrinfo') && code !== undefined);
  if (cause === undefined) return undefined;
  const why = cause.syscall === 'getaddrinfo' ? `${cause.code}: nobody knows a machine of this name` : `${cause.code}`;
  return new NoDaemonError(`no daemon answers at ${address} (${why})`, { hint: hintFor(to, cause.syscall), cause: thrown });
}

function hintFor(to: Address, syscall: string | undefined): string {
  if (to.kind === 'unix') return 'singletree up --detach';
  if (to.isLocal) return 'singletree up --detach, with listen.tcp in the configuration';
  if (syscall === 'getaddrinfo') return `look whether ${to.url.hostname} is right`;
  return `look on ${to.url.hostname} whether singletree status names this address, and whether a firewall stands before it`;
}

/** By the code of Node or OpenSSL. What is not here and begins with ERR_SSL_ or EPROTO is told in its own words. */
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
  ERR_SSL_WRONG_VERSION_NUMBER: 'NOT_TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'NOT_TLS',
  // What a TLS server says to somebody who speaks plain HTTP is no HTTP.
  HPE_INVALID_CONSTANT: 'NOT_TLS',
};

function noTls(causes: readonly NodeJS.ErrnoException[], thrown: unknown, address: string, to: Address): TlsError | undefined {
  if (to.kind === 'unix') return undefined;
  const cause = causes.find(({ code = '' }) => code in tlsReasons || code.startsWith('ERR_SSL_') || code === 'EPROTO');
  if (cause === undefined) return undefined;
  const reason = tlsReasons[cause.code ?? ''] ?? 'TLS_FAILED';
  const [message, hint] = told(reason, cause, to.url);
  return new TlsError(message.replace('{address}', address), { reason, hint, cause: thrown });
}

function told(
  reason: TlsReason,
  cause: NodeJS.ErrnoException,
  { hostname, host, protocol }: URL,
): readonly [message: string, hint: string] {
  switch (reason) {
    case 'CERTIFICATE_UNTRUSTED':
      return [
        `nobody who is trusted here vouches for the certificate of {address} (${cause.code})`,
        'name the file of its authority, or of itself if it is signed by itself: --ca-file FILE or $SINGLETREE_CA_FILE',
      ];
    case 'CERTIFICATE_WRONG_NAME':
      return [
        `the certificate of {address} is not for ${hostname}, but for ${namesOf(cause)}`,
        'take one of these names, or a certificate for this one',
      ];
    case 'CERTIFICATE_EXPIRED':
      return [
        `the certificate of {address} ${cause.code === 'CERT_NOT_YET_VALID' ? 'is not valid yet' : 'has expired'}`,
        "renew listen.tls.certificate on the daemon's machine; if it is new, look at the clocks of both machines",
      ];
    case 'CLIENT_CERTIFICATE_REFUSED':
      return [
        `{address} asks for a client certificate, and does not take ours (${cause.code})`,
        'set $SINGLETREE_CLIENT_CERTIFICATE_FILE and $SINGLETREE_CLIENT_KEY_FILE to one that listen.tls.client_ca vouches for',
      ];
    case 'NOT_TLS':
      return protocol === 'https:'
        ? ['{address} speaks no TLS', `try http://${host}`]
        : ['{address} does not answer in HTTP', `try https://${host}`];
    case 'TLS_FAILED':
      return [`no TLS connection to {address}: ${cause.message}`, 'look at the log of the daemon'];
  }
}

/** `DNS:localhost, IP Address:127.0.0.1` as names alone. */
function namesOf(cause: Error): string {
  const certificate: unknown = 'cert' in cause ? cause.cert : undefined;
  const names =
    typeof certificate === 'object' && certificate !== null && 'subjectaltname' in certificate ? certificate.subjectaltname : undefined;
  return typeof names === 'string' ? names.replace(/(DNS|IP Address):/g, '') : 'another';
}
