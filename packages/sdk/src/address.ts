import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { NoDaemonError, SingletreeError } from './errors.ts';

export interface AddressOptions {
  /** Address of the daemon, `unix:` and the absolute path of its socket. */
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
    throw new NoDaemonError(`no daemon runs for the state folder ${folder}`, error);
  }
  const content = parse(text);
  if (typeof content === 'object' && content !== null && 'address' in content && typeof content.address === 'string')
    return content.address;
  throw new NoDaemonError(`${path} must hold {"address": "unix:/path/to/socket"}; it holds ${JSON.stringify(text.slice(0, 80))}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The path of the socket. Throws a `SingletreeError` for an address of another kind. */
export function socketPath(address: string): string {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : '';
  if (isAbsolute(path)) return path;
  throw new SingletreeError(`address "${address}" must be unix: and an absolute path, such as unix:/run/user/1000/singletree/daemon.sock`, {
    code: 'invalid_argument',
    reason: 'INVALID_ADDRESS',
  });
}
