import { isIPv6 } from 'node:net';

/** Tries that an address may fail at once, and in how many milliseconds it may fail one more. */
export interface Patience {
  readonly burst: number;
  readonly refillMs: number;
}

/** More addresses than this are not remembered: the one that was seen longest ago is forgotten. */
const mostAddresses = 4_096;

/** Counts by address what was refused before anybody knew who asked. Each address has a bucket that refills with time. */
export class FailedTries {
  readonly #buckets = new Map<string, { left: number; at: number }>();
  readonly #patience: Patience;
  readonly #now: () => number;

  /** `now` in milliseconds, monotonic. */
  constructor(now: () => number, patience: Patience) {
    this.#now = now;
    this.#patience = patience;
  }

  /** Notes one. Gives the milliseconds until the next one is worth an answer, if this one was not. */
  fail(address: string): number | undefined {
    const { burst, refillMs } = this.#patience;
    const key = canonical(address);
    const now = this.#now();
    const before = this.#buckets.get(key);
    const left = before ? Math.min(burst, before.left + (now - before.at) / refillMs) : burst;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: left < 1 ? left : left - 1, at: now });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > mostAddresses && oldest !== undefined) this.#buckets.delete(oldest);
    return left < 1 ? Math.ceil((1 - left) * refillMs) : undefined;
  }
}

/**
 * One key for what is one caller, however its address is written: IPv4 inside IPv6 as IPv4, of IPv6 the network, where a caller has many, and all of
 * loopback as one, since each of its programs may call from any of 16 million addresses.
 */
export function canonical(address: string): string {
  const key = written(address);
  return key.startsWith('127.') ? '127.0.0.0/8' : key;
}

function written(address: string): string {
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const four = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (four !== undefined) return four;
  if (!isIPv6(plain)) return plain;
  const { hostname } = new URL(`http://[${plain}]`);
  const [head = '', tail] = hostname.slice(1, -1).split('::');
  const [first, last] = [head.split(':').filter(Boolean), (tail ?? '').split(':').filter(Boolean)];
  const mapped =
    first.length === 0 && last.length === 3 && last[0] === 'ffff' ? last.slice(1).map((part) => Number.parseInt(part, 16)) : [];
  const [high, low] = mapped;
  if (high !== undefined && low !== undefined) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  const groups = tail === undefined ? first : [...first, ...Array<string>(8 - first.length - last.length).fill('0'), ...last];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
