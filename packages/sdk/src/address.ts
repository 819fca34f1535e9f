import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { NoDaemonError, SingletreeError } from './errors.ts';

export interface AddressOptions {
  /** Address of the daemon: `unix:` and the absolute path of its socket, `http://127.0.0.1:PORT` on this machine, or `https://HOST:PORT`. */
  readonly address?: string;
  /** State folder of the daemon. */
  readonly state?: string;
  /** Environment to look into; that of the process if absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The daemon's state folder: the option, `$SINGLETREE_STATE`, `$XDG_STATE_HOME/singletree`, `~/.local/state/singletree`. */
export function stateFolder({ state, env = process.env }: AddressOptions = {}): string {
  if (state) return state;
  if (env['SINGLETREE_STATE']) return env['SINGLETREE_STATE'];
  // The XDG specification has relative paths ignored.
  const stateHome = env['XDG_STATE_HOME'];
  return join(stateHome && isAbsolute(stateHome) ? stateHome : join(env['HOME'] || homedir(), '.local', 'state'), 'singletree');
}

/**
 * Where the daemon is: an option beats `$SINGLETREE_ADDRESS`, which beats the address file that the daemon leaves in its state folder.
 * Throws `NoDaemonError` if there is no such file.
 */
export function findAddress(options: AddressOptions = {}): string {
  const { address, state, env = process.env } = options;
  const given = address ?? (state ? undefined : env['SINGLETREE_ADDRESS'] || undefined);
  return given ?? addressIn(stateFolder(options));
}

function addressIn(folder: string): string {
  const path = join(folder, 'address.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new NoDaemonError(`no daemon runs for the state folder ${folder}`, { cause: error });
  }
  const { address } = parseAddressFile(text);
  if (address !== undefined) return address;
  throw new NoDaemonError(`${path} must hold {"address": "unix:/path/to/socket"}; it holds ${JSON.stringify(text.slice(0, 80))}`);
}

/** What a daemon says of itself to clients of this machine. */
export interface AddressFile {
  readonly address?: string;
  /** The URL at which it takes TCP connections too. */
  readonly tcp?: string;
  /** Path of the token that it asks for there. */
  readonly tokenFile?: string;
}

/** The address file of a state folder; without members where there is none. */
export function readAddressFile(folder: string): AddressFile {
  try {
    return parseAddressFile(readFileSync(join(folder, 'address.json'), 'utf8'));
  } catch {
    return {};
  }
}

function parseAddressFile(text: string): AddressFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return {};
  }
  const textOf = (key: string): string | undefined => {
    const value: unknown = typeof content === 'object' && content !== null ? Reflect.get(content, key) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const [address, tcp, tokenFile] = [textOf('address'), textOf('tcp'), textOf('token_file')];
  return {
    ...(address === undefined ? {} : { address }),
    ...(tcp === undefined ? {} : { tcp }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
}

/** An address that was understood. */
export type Address = SocketAddress | TcpAddress;

export interface SocketAddress {
  readonly kind: 'unix';
  readonly path: string;
  readonly isLocal: true;
}

export interface TcpAddress {
  readonly kind: 'http' | 'https';
  readonly url: URL;
  /** Whether it is on this machine for certain: what is sent there passes no network. */
  readonly isLocal: boolean;
}

/** Throws a `SingletreeError` for what is no address, and for `http:` to another machine, where everybody on the way could read the token. */
export function parseAddress(address: string): Address {
  if (address.startsWith('unix:')) {
    const path = address.slice('unix:'.length);
    if (isAbsolute(path)) return { kind: 'unix', path, isLocal: true };
    throw wrong(`address "${address}" must be unix: and an absolute path`, 'such as unix:/run/user/1000/singletree/daemon.sock');
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    const kinds = 'unix:/path/to/socket, http://127.0.0.1:7470 on this machine, or https://host:7470';
    throw wrong(`address "${withoutSecrets(address)}" is of no kind that there is`, kinds);
  }
  const { username, password, pathname, search, hash, hostname, host } = url;
  if (username || password)
    throw wrong(`the address of ${host} holds a name or a password`, 'a token comes from --token-file or $SINGLETREE_TOKEN');
  if (pathname !== '/' || search || hash) throw wrong(`address "${address}" has more than a host and a port`, `write ${url.origin}`);
  const isLocal = isLoopback(hostname);
  if (url.protocol === 'https:') return { kind: 'https', url, isLocal };
  if (isLocal) return { kind: 'http', url, isLocal };
  const tunnel = `a tunnel: ssh -L ${url.port || 80}:127.0.0.1:${url.port || 80} ${hostname}`;
  throw wrong(
    `${url.origin} would be sent the token in the clear`,
    `https://${host}, with listen.tls in the daemon's configuration, or ${tunnel}`,
    'INSECURE_ADDRESS',
  );
}

/** Whether two addresses are one daemon's: the same port by the same protocol, on this machine or under the same name. */
export function isSameDaemon(one: TcpAddress, other: TcpAddress): boolean {
  return (
    one.url.origin === other.url.origin || (one.kind === other.kind && one.url.port === other.url.port && one.isLocal && other.isLocal)
  );
}

/** `URL` has brought a number in another notation into the usual one already. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function withoutSecrets(address: string): string {
  return address.replace(/\/\/[^/]*@/, '//…@');
}

function wrong(message: string, hint: string, reason = 'INVALID_ADDRESS'): SingletreeError {
  return new SingletreeError(message, { code: 'invalid_argument', reason, hint });
}
