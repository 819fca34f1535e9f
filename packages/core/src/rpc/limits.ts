import type { Patience } from './failed-tries.ts';

/** What the wire bears. Tests have smaller ones. */
export interface Limits {
  /** Of a request, compressed or not: prompt, context and their envelope. */
  readonly requestBytes: number;
  /** Of all requests of one principal that are being answered. */
  readonly heldBytes: number;
  /** Compressed requests that are unpacked at the same time. */
  readonly unpackedRequests: number;
  /** Of the headers of one request. */
  readonly headerBytes: number;
  /** A deadline further away than this is refused: timers end at 24 days. */
  readonly longestTimeoutMs: number;
  /** Open at the same time at one listener. */
  readonly connections: number;
  /** Open at the same time of one principal, watches among them. */
  readonly calls: number;
  /** Open at the same time in one HTTP/2 connection. */
  readonly streams: number;
  /** From a connection to its first byte, and from there to the end of the headers; also that of a handshake of TLS. */
  readonly headersMs: number;
  /** From the headers to the end of the request. */
  readonly bodyMs: number;
  /** Of a connection without a call. */
  readonly idleMs: number;
  /** How long the reader of a stream may take nothing. At twice as much its stream is cut off. */
  readonly slowReaderMs: number;
  /** How often who is nobody may try. */
  readonly failedTries: Patience;
}

export const limits: Limits = {
  requestBytes: 4 * 1024 * 1024,
  heldBytes: 64 * 1024 * 1024,
  unpackedRequests: 4,
  headerBytes: 16 * 1024,
  longestTimeoutMs: 7 * 86_400_000,
  connections: 1_024,
  calls: 1_000,
  streams: 256,
  headersMs: 10_000,
  bodyMs: 60_000,
  idleMs: 300_000,
  slowReaderMs: 30_000,
  failedTries: { burst: 20, refillMs: 1_000 },
};
