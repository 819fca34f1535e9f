import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { credentials, Metadata, type ChannelCredentials } from '@grpc/grpc-js';

export interface Daemon {
  /** `unix:` and a path, `http://host:port` or `https://host:port`. */
  readonly address: string;
  readonly token?: string | undefined;
  readonly caFile?: string | undefined;
}

/** By $SINGLETREE_ADDRESS, else by the address file that the daemon leaves in its state folder. */
export function findDaemon(env: NodeJS.ProcessEnv = process.env): Daemon {
  const folder = stateFolder(env);
  const left = addressFile(join(folder, 'address.json'));
  const address = env['SINGLETREE_ADDRESS'] || left.address;
  if (!address) throw new Error(`no daemon runs for the state folder ${folder}: singletree up --detach`);
  // Nobody but the daemon of this folder is shown its token; over the socket none is asked for.
  const isOurs = left.tcp !== undefined && here(address) === here(left.tcp);
  const token = env['SINGLETREE_TOKEN'] || (isOurs && left.token_file ? readFileSync(left.token_file, 'utf8').trim() : undefined);
  return { address, token, caFile: env['SINGLETREE_CA_FILE'] };
}

function stateFolder(env: NodeJS.ProcessEnv): string {
  if (env['SINGLETREE_STATE']) return env['SINGLETREE_STATE'];
  // The XDG specification has relative paths ignored.
  const home = env['XDG_STATE_HOME'];
  return join(home && isAbsolute(home) ? home : join(homedir(), '.local', 'state'), 'singletree');
}

function addressFile(path: string): { readonly address?: string; readonly tcp?: string; readonly token_file?: string } {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ReturnType<typeof addressFile>;
  } catch {
    return {}; // no daemon has been started here
  }
}

function here(address: string): string {
  return address.replace('//localhost:', '//127.0.0.1:');
}

/** What grpc-js wants to know of a daemon: its own form of the address, how to connect, and what to send with each call. */
export function grpcTarget({ address, token, caFile }: Daemon): { target: string; credentials: ChannelCredentials; metadata: Metadata } {
  const metadata = new Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  if (address.startsWith('unix:')) return { target: address, credentials: credentials.createInsecure(), metadata };
  const { protocol, host, hostname } = new URL(address);
  if (protocol === 'https:') return { target: host, credentials: credentials.createSsl(caFile ? readFileSync(caFile) : null), metadata };
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
    throw new Error(`${address} would be sent the token in the clear: https, or a tunnel`);
  return { target: host, credentials: credentials.createInsecure(), metadata };
}
