import { isIPv6, type AddressInfo } from 'node:net';

const loopback = ['localhost', '127.0.0.1', '[::1]'];

/** `127.0.0.1:7470`, `[::1]:7470`. */
export function authorityOf({ address, port }: Pick<AddressInfo, 'address' | 'port'>): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

function isEverywhere({ address }: Pick<AddressInfo, 'address'>): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** What a client of this machine calls it by: the address of all interfaces is nobody's name, and stands in no certificate. */
export function nameHere(bound: Pick<AddressInfo, 'address' | 'port'>): string {
  return isEverywhere(bound) ? `localhost:${bound.port}` : authorityOf(bound);
}

/**
 * Authorities that a caller over TCP may ask for, in lower case: the address itself and the names of loopback with its port, and what the
 * configuration names, with that port where it has none.
 */
export function hostsOf(named: readonly string[], bound: AddressInfo): ReadonlySet<string> {
  const own = [...loopback.map((name) => `${name}:${bound.port}`), ...(isEverywhere(bound) ? [] : [authorityOf(bound)])];
  const further = named.map((name) => (/:\d+$/.test(name) ? name : `${name}:${bound.port}`));
  const all = [...own, ...further];
  // Clients leave out the port that their scheme implies.
  const bare = all.filter((authority) => /:(80|443)$/.test(authority)).map((authority) => authority.replace(/:\d+$/, ''));
  return new Set([...all, ...bare].map((authority) => authority.toLowerCase()));
}
