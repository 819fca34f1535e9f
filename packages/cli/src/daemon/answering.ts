import { connect } from 'node:net';
import { findAddress, parseAddress, type Address, type AddressOptions } from '@singletree/sdk';

/** A daemon that takes connections. */
export interface Answering {
  readonly address: string;
}

/** The daemon that the options name, if one answers. The address that a killed daemon left behind is none. */
export async function answering(options: AddressOptions): Promise<Answering | undefined> {
  let address: string;
  let to: Address;
  try {
    address = findAddress(options);
    to = parseAddress(address);
  } catch {
    return undefined;
  }
  return (await accepts(to)) ? { address } : undefined;
}

/** A connection says less than a call, and a thousand times faster. */
function accepts(to: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(to.kind === 'unix' ? { path: to.path } : hostAndPort(to.url));
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    // Whoever is at the other end need not say anything.
    socket.once('connect', () => socket.destroy());
  });
}

/** A URL has an IPv6 address in brackets, and no port where it is the usual one. */
function hostAndPort({ hostname, port, protocol }: URL): { host: string; port: number } {
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}
