import { connect } from 'node:net';
import { findAddress, type AddressOptions } from '@singletree/sdk';

/** A daemon that takes connections. */
export interface Answering {
  readonly address: string;
}

/** The daemon that the options name, if one answers. The address that a killed daemon left behind is none. */
export async function answering(options: AddressOptions): Promise<Answering | undefined> {
  let address: string;
  try {
    address = findAddress(options);
  } catch {
    return undefined;
  }
  return (await accepts(address.replace(/^unix:/, ''))) ? { address } : undefined;
}

/** A connection says less than a call, and a thousand times faster. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    // Whoever is at the other end need not say anything.
    socket.once('connect', () => socket.destroy());
  });
}
