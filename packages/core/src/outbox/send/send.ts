import * as http from 'node:http';
import * as https from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { Instant } from '../../task/task.ts';
import type { Otlp } from '../destinations/destination.ts';

/** What became of one request, as a relay needs to know it. */
export type SendResult =
  /** It arrived. `rejected` spans were not taken: by the specification a partial success is never sent again. */
  | { readonly kind: 'acknowledged'; readonly rejected?: number; readonly message?: string }
  /** It may not have arrived; `after` is how many milliseconds the receiver asks us to wait. */
  | { readonly kind: 'retry'; readonly after?: number; readonly error: string }
  /** The receiver will never take these bytes. */
  | { readonly kind: 'refused'; readonly status: number; readonly error: string }
  /** Not the bytes are wrong but the address or the credentials: nothing else would get through either. */
  | { readonly kind: 'misconfigured'; readonly status: number; readonly error: string };

/** Sends one OTLP request. Never throws for what a network or a receiver does; an aborted request may have arrived. */
export type Send = (payload: Uint8Array, signal: AbortSignal) => Promise<SendResult>;

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** More than any receiver has to say. One that goes on is cut off, and its status counts. */
const mostAnswerBytes = 64 * 1024;
const compress = promisify(gzip);
const oneConnection = { keepAlive: true, maxSockets: 1 };

/** Sends by http/protobuf over one connection that is kept open. Not the stock exporter: it hides status, Retry-After and rejected spans. */
export function httpSend(destination: Otlp, options: { readonly now: () => Instant; readonly userAgent: string }): Send {
  const { url, headers, tls } = destination.connection();
  const agent = url.protocol === 'https:' ? new https.Agent({ ...tls, ...oneConnection }) : new http.Agent(oneConnection);
  const hideSecrets = hider([...Object.values(headers), ...url.searchParams.values()]);

  return async (payload, signal) => {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), destination.timeoutMs);
    const stop = (): void => limit.abort();
    signal.addEventListener('abort', stop);
    try {
      const body = destination.compression === 'gzip' ? await compress(payload) : payload;
      const answer = await post(url, body, {
        agent,
        signal: limit.signal,
        headers: {
          'user-agent': options.userAgent,
          ...headers,
          'content-type': 'application/x-protobuf',
          'content-length': body.byteLength,
          ...(destination.compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
        },
      });
      return judge(answer, options.now(), hideSecrets);
    } catch (error) {
      if (signal.aborted) return { kind: 'retry', error: 'stopped before the answer came' };
      if (limit.signal.aborted) return { kind: 'retry', error: `no answer within ${destination.timeoutMs / 1000} s` };
      return { kind: 'retry', error: hideSecrets(causeOf(error)) };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  };
}

export type Hide = (text: string) => string;

/** Takes secrets out of what a receiver says: some repeat what they were sent, without the scheme before it, or as the name and password that it stands for. */
export function hider(secrets: readonly string[]): Hide {
  const forms = secrets.flatMap((secret) => {
    const [, scheme = '', credentials = ''] = /^(\S+) +(.+)$/.exec(secret) ?? [];
    const pair = scheme.toLowerCase() === 'basic' ? Buffer.from(credentials, 'base64').toString() : '';
    return [secret, credentials, pair, pair.slice(pair.indexOf(':') + 1)];
  });
  const long = [...new Set(forms)].filter((form) => form.length > 3);
  return (text) => long.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}

function post(url: URL, body: Uint8Array, options: http.RequestOptions): Promise<Answer> {
  const begin = url.protocol === 'https:' ? https.request : http.request;
  return new Promise((resolve, reject) => {
    const request = begin(url, { ...options, method: 'POST' }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const finish = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length <= mostAnswerBytes) return;
        finish();
        response.destroy();
      });
      response.on('error', reject);
      response.on('end', finish);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** https://opentelemetry.io/docs/specs/otlp/#otlphttp-response says which answers may be sent again. */
function judge(answer: Answer, now: Instant, hide: Hide): SendResult {
  const { status } = answer;
  const error = describe(answer, hide);
  if (status >= 200 && status < 300) return isPage(answer) ? { kind: 'misconfigured', status, error } : acknowledged(answer, hide);
  // A server for TLS says so under 400, which else means the bytes.
  if (asksForTls(error)) return { kind: 'misconfigured', status, error };
  switch (status) {
    case 408: // Not in the specification's list, but from a proxy in between: the receiver never saw it whole.
    case 429:
    case 502:
    case 503:
    case 504: {
      const after = retryAfter(answer.headers['retry-after'], now);
      return { kind: 'retry', error, ...(after === undefined ? {} : { after }) };
    }
    case 401:
    case 402:
    case 403:
    case 404:
    case 405:
    case 406:
    case 407:
    case 415:
    case 421:
    case 426:
    case 505:
      return { kind: 'misconfigured', status, error };
    default:
      return status < 400 ? { kind: 'misconfigured', status, error } : { kind: 'refused', status, error };
  }
}

/** A web server that answers everything with a page is no receiver, and what it "took" is lost. */
function isPage({ headers }: Answer): boolean {
  return headers['content-type']?.startsWith('text/html') === true;
}

function acknowledged({ headers, body }: Answer, hide: Hide): SendResult {
  if (headers['content-type']?.startsWith('application/x-protobuf') !== true) return { kind: 'acknowledged' };
  return acknowledgement(body, hide);
}

/** Whether a server that speaks TLS complains that it was spoken to without it. */
export function asksForTls(error: string): boolean {
  return /HTTP request (was sent )?to (an )?HTTPS/i.test(error);
}

/** What an `ExportTraceServiceResponse` says. That of metrics has the same fields, with points in place of spans. */
export function acknowledgement(body: Uint8Array, hide: Hide): SendResult {
  const partial = partialSuccess(body);
  return {
    kind: 'acknowledged',
    ...(partial?.rejectedSpans ? { rejected: partial.rejectedSpans } : {}),
    ...(partial?.errorMessage ? { message: readable(partial.errorMessage, hide) } : {}),
  };
}

function partialSuccess(body: Uint8Array): { readonly rejectedSpans?: number; readonly errorMessage?: string } | undefined {
  try {
    return ProtobufTraceSerializer.deserializeResponse(body).partialSuccess;
  } catch {
    // The status has said that it arrived; what else the receiver wanted to say is lost on us.
    return undefined;
  }
}

/** Seconds or an HTTP date, as milliseconds from now. */
export function retryAfter(header: string | undefined, now: Instant): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function describe({ status, headers, body }: Answer, hide: Hide): string {
  const location = headers.location === undefined ? '' : ` to ${readable(headers.location, hide)}`;
  const words = readable(body.toString('utf8'), hide);
  return `HTTP ${status}${location}${words === '' ? '' : `: ${words}`}`;
}

/** The text in an answer, be it plain, JSON or a protobuf `google.rpc.Status`; nothing that could steer a terminal. What is hidden is hidden before it is cut. */
export function readable(text: string, hide: Hide): string {
  return hide(text)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 300);
}

function causeOf(error: unknown): string {
  // A connection that was tried by IPv6 and IPv4 fails with one error for each.
  if (error instanceof AggregateError) return error.errors.map(causeOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
