import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSameDaemon, parseAddress, readAddressFile, stateFolder, type AddressOptions, type TcpAddress } from './address.ts';
import { SingletreeError, TokenError } from './errors.ts';

export interface ConnectOptions extends AddressOptions {
  /** What a daemon asks for over TCP; a unix socket needs none. */
  readonly token?: string;
  /** File that holds it. */
  readonly tokenFile?: string;
  /** Who vouches for the daemon's certificate, as PEM, instead of the authorities that Node trusts. */
  readonly ca?: string;
  /** File that holds it. */
  readonly caFile?: string;
  /** Files, as PEM, of the certificate with which this client shows who it is, and of its key: for a daemon with `listen.tls.client_ca`. */
  readonly clientCertificateFile?: string;
  readonly clientKeyFile?: string;
}

/** A token, and where it was found: for whoever has to mend it. */
export interface Token {
  readonly value: string;
  readonly source: string;
}

/**
 * The token for an address: the option, the file of the option, `$SINGLETREE_TOKEN`, and only for a daemon of this machine the one that it keeps in
 * its state folder: nobody else is shown that. It is read anew for each call, since a daemon that was started again may have another one. Throws
 * `TokenError` if there is none.
 */
export function findToken(options: ConnectOptions, address: TcpAddress): Token {
  const { token, tokenFile, env = process.env } = options;
  if (token !== undefined) return checked(token, 'the option token');
  if (tokenFile !== undefined) return fromFile(tokenFile);
  if (env['SINGLETREE_TOKEN']) return checked(env['SINGLETREE_TOKEN'], '$SINGLETREE_TOKEN');
  const folder = stateFolder(options);
  const left = readAddressFile(folder);
  if (left.tokenFile !== undefined && [left.tcp, left.address].some((own) => own !== undefined && isThatOf(own, address)))
    return fromFile(left.tokenFile);
  if (address.isLocal) return fromFile(join(folder, 'token'));
  throw missing(`${address.url.origin} asks for a token, and none was named`);
}

function isThatOf(own: string, address: TcpAddress): boolean {
  try {
    const parsed = parseAddress(own);
    return parsed.kind !== 'unix' && isSameDaemon(parsed, address);
  } catch {
    return false; // an address that we would not call
  }
}

function fromFile(path: string): Token {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw missing(`the daemon asks for a token, and ${unreadable(path, error)}`, error);
  }
  return checked(text.trim(), path);
}

function checked(value: string, source: string): Token {
  if (/^[\x21-\x7e]+$/.test(value)) return { value, source };
  const what = value === '' ? 'is empty' : 'holds a character that no token has';
  throw new TokenError(`the token from ${source} ${what}`, { reason: 'TOKEN_INVALID', hint: whereTokensAre });
}

const whereTokensAre = 'the daemon keeps its tokens in its state folder, in the files token, token.submit and token.read';

function missing(message: string, cause?: unknown): TokenError {
  return new TokenError(message, {
    reason: 'TOKEN_MISSING',
    hint: `set $SINGLETREE_TOKEN, or name a file with --token-file; ${whereTokensAre}`,
    cause,
  });
}

/** What a TLS connection needs beside the address, as Node's `tls` names it. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Options beat `$SINGLETREE_CA_FILE`, `$SINGLETREE_CLIENT_CERTIFICATE_FILE` and `$SINGLETREE_CLIENT_KEY_FILE`. */
export function tlsFiles({ ca, caFile, clientCertificateFile, clientKeyFile, env = process.env }: ConnectOptions): TlsFiles {
  const certificate = clientCertificateFile ?? (env['SINGLETREE_CLIENT_CERTIFICATE_FILE'] || undefined);
  const key = clientKeyFile ?? (env['SINGLETREE_CLIENT_KEY_FILE'] || undefined);
  const authority = caFile ?? (env['SINGLETREE_CA_FILE'] || undefined);
  const authorities = ca ?? (authority === undefined ? undefined : pemIn(authority, 'certificate authority'));
  return {
    ...(authorities === undefined ? {} : { ca: authorities }),
    ...(certificate === undefined ? {} : { cert: pemIn(certificate, 'client certificate') }),
    ...(key === undefined ? {} : { key: pemIn(key, 'client key') }),
  };
}

/** Looked at here, because a file without PEM in it is silently no authority at all. */
function pemIn(path: string, what: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw badFile(`the ${what}: ${unreadable(path, error)}`, error);
  }
  if (text.includes('-----BEGIN ')) return text;
  throw badFile(`the ${what} ${path} is no PEM file: it holds no line that begins with -----BEGIN`);
}

function badFile(message: string, cause?: unknown): SingletreeError {
  return new SingletreeError(message, { code: 'invalid_argument', reason: 'INVALID_CERTIFICATE_FILE', cause });
}

function unreadable(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${code})`;
}
