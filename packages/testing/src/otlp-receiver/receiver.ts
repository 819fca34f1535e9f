import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { decodeJsonSpans } from './json.ts';
import { decodePoints, type ReceivedPoint } from './points.ts';
import { decodeSpans } from './spans.ts';
import type { ReceivedSpan } from './spans.ts';

/** What becomes of a request. */
export type Answer =
  | 'ok'
  /** Takes the whole request, then breaks the connection off: the sender cannot know that it arrived. */
  | 'dropAcknowledgement'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly message?: string }
  /** Accepts, and says so late. */
  | { readonly delayMs: number };

/** The answer to each request, chosen by its number, counted from 1 over the life of the receiver, refused ones not counted. */
export type Behaviour = Answer | ((number: number) => Answer);

export interface OtlpRequest {
  /** `/v1/traces` or `/v1/metrics`. */
  readonly path: string;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body, uncompressed if it came by gzip. */
  readonly body: Uint8Array;
  /** Whether the sender was told that it arrived. */
  readonly acknowledged: boolean;
  /** When it was complete, in milliseconds since 1970. */
  readonly at: number;
}

export interface OtlpReceiverOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** Default: `ok`. */
  readonly behaviour?: Behaviour;
}

export interface OtlpReceiver extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  readonly port: number;
  /** Every request in the order in which it was complete, those not acknowledged included. Grows while you look. */
  readonly requests: readonly OtlpRequest[];
  /** The spans of all requests to `/v1/traces`, in order; what arrived twice is there twice. */
  spans(): readonly ReceivedSpan[];
  /** The points of the last request to `/v1/metrics`; none before there is one. */
  points(): readonly ReceivedPoint[];
  /** For the requests to come. */
  setBehaviour(behaviour: Behaviour): void;
  /** Breaks off every connection and refuses new ones. What was received stays readable. */
  close(): Promise<void>;
  /** Listens again at the same port: a receiver that was away and comes back. */
  reopen(): Promise<void>;
}

/** Drops the acknowledgement of the requests with these numbers and accepts all others. */
export function dropping(...numbers: readonly number[]): Behaviour {
  return (number) => (numbers.includes(number) ? 'dropAcknowledgement' : 'ok');
}

/**
 * Starts an OTLP receiver on loopback that takes OTLP by HTTP, traces in JSON too, and misbehaves as told. It keeps every body as it was received, so
 * that a test can compare what came twice byte for byte.
 */
export async function startOtlpReceiver(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const requests: OtlpRequest[] = [];
  let behaviour = options.behaviour ?? 'ok';

  async function receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await buffer(incoming);
    const { 'content-type': contentType = '', 'content-encoding': contentEncoding = '' } = incoming.headers;
    const body = contentEncoding === 'gzip' ? gunzipSync(raw) : raw;
    const place = requests.length;
    const answer = typeof behaviour === 'function' ? behaviour(place + 1) : behaviour;
    const request = {
      path: incoming.url ?? '',
      contentType,
      contentEncoding,
      headers: headersOf(incoming),
      body: new Uint8Array(body),
      at: Date.now(),
    };
    requests[place] = { ...request, acknowledged: false };
    if (answer === 'dropAcknowledgement') return void response.destroy();
    if (answer !== 'ok' && 'status' in answer) {
      response.writeHead(answer.status, { 'content-type': 'application/x-protobuf', ...answer.headers });
      return void response.end(statusMessage(answer.message ?? ''));
    }
    if (answer !== 'ok') await sleep(answer.delayMs);
    if (response.destroyed) return;
    response.writeHead(200, { 'content-type': 'application/x-protobuf' });
    requests[place] = { ...request, acknowledged: true };
    // An empty message: everything was accepted.
    response.end();
  }

  const server = createServer((incoming, response) => {
    // Neither a sender that goes away in the middle nor a body that is not gzip is a request that arrived.
    receive(incoming, response).catch((error: unknown) => response.headersSent || response.writeHead(400).end(String(error)));
  });
  const listen = (port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        const address = server.address();
        if (address === null || typeof address === 'string') throw new Error('a server on TCP has a port');
        resolve(address.port);
      });
    });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const port = await listen(options.port ?? 0);

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    spans: () => requests.filter(({ path }) => path === '/v1/traces').flatMap(spansIn),
    points: () => decodePoints(requests.findLast(({ path }) => path === '/v1/metrics')?.body ?? new Uint8Array()),
    setBehaviour: (next) => void (behaviour = next),
    close,
    reopen: async () => void (await listen(port)),
    [Symbol.asyncDispose]: close,
  };
}

function spansIn({ contentType, body }: OtlpRequest): readonly ReceivedSpan[] {
  return contentType.startsWith('application/json') ? decodeJsonSpans(body) : decodeSpans(body);
}

function headersOf({ headers }: IncomingMessage): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
}

/** A `google.rpc.Status` with only its `message` (field 2), as OTLP wants the body of an error. */
function statusMessage(message: string): Uint8Array {
  const text = Buffer.from(message.slice(0, 100));
  return text.length === 0 ? new Uint8Array() : Uint8Array.from([0x12, text.length, ...text]);
}
