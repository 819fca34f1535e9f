import { constants } from 'node:http2';
import { Code, ConnectError, createConnectRouter, createContextValues, type ConnectRouter, type Interceptor } from '@connectrpc/connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { codeToString } from '@connectrpc/connect/protocol-connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import type { Logger } from 'pino';
import { DomainError } from '../errors.ts';
import { callKey, endWith, type Call } from './call.ts';
import { toConnectError } from './connect-error.ts';
import { edge } from './edge.ts';
import type { FailedTries } from './failed-tries.ts';
import { admit, Refusal, type Asked, type Destination, type Principal, type Rules } from './gate.ts';
import { HeldBytes, type Held } from './held-bytes.ts';
import { jsonOptions } from './json-text.ts';
import type { Limits } from './limits.ts';
import { scopeOf } from './method-scopes.ts';
import { refuse, type Refused, type Request, type Response } from './refuse.ts';
import type { Handler } from './speaker.ts';
import { inTurn } from './unpacking.ts';

/** A way in: who is let in by it, and under which names. */
export interface Door {
  readonly hosts?: NonNullable<Rules['hosts']>;
  readonly principal: Rules['principal'];
  /** Where those who are refused are nobody yet, and may try as often as they like. */
  readonly tries?: FailedTries;
}

export interface AnswerParts {
  readonly routes: (router: ConnectRouter) => void;
  /** Answers to plain GETs, by path. */
  readonly texts: Readonly<Record<string, () => Promise<string>>>;
  readonly limits: Limits;
  readonly shutdown: AbortSignal;
  readonly log: Logger;
  readonly interceptors: readonly Interceptor[];
}

export interface Answers {
  /** Calls that are being answered. */
  active(): number;
  through(door: Door): Handler;
}

type Answer = Destination & { readonly answer: (request: Request, response: Response, call: Call) => void };

/** Answers requests: the gate first, whatever was asked for, then the one handler of the path. */
export function createAnswers(parts: AnswerParts): Answers {
  const { limits, log } = parts;
  const destinations = destinationsOf(parts);
  const open = new Map<string, number>();

  const count = (principal: Principal, response: Response): void => {
    const before = open.get(principal.name) ?? 0;
    if (before >= limits.calls) {
      const error = new DomainError('TOO_MANY_CALLS', `${limits.calls} calls are open already`, { hint: 'end some of them, or try again' });
      throw new Refusal(error, { principal });
    }
    open.set(principal.name, before + 1);
    response.once('close', () => open.set(principal.name, (open.get(principal.name) ?? 1) - 1));
  };

  return {
    active: () => [...open.values()].reduce((sum, calls) => sum + calls, 0),
    through(door) {
      const rules = { ...door, destinations };
      return (request, response) => {
        const call = beginCall(request, response, destinations, log);
        try {
          const asked = askedOf(request);
          const { principal } = admit(asked, rules);
          call.principal = principal.name;
          count(principal, response);
          limitBody(request, response, call, limits);
          destinations.get(asked.path)?.answer(request, response, call);
        } catch (error) {
          if (!(error instanceof Refusal)) log.error({ err: error }, 'a call failed');
          refuseCall(request, response, call, error, limits, door.tries);
        }
      };
    },
  };
}

function destinationsOf({ routes, texts, limits, shutdown, log, interceptors }: AnswerParts): ReadonlyMap<string, Answer> {
  const router = createConnectRouter({
    interceptors: [...interceptors, edge({ log, shutdown, slowReaderMs: limits.slowReaderMs })],
    jsonOptions,
    readMaxBytes: limits.requestBytes,
    maxTimeoutMs: limits.longestTimeoutMs,
    acceptCompression: inTurn([compressionGzip, compressionBrotli], limits.unpackedRequests),
    // A page of a browser cannot send it without asking first, and is told no.
    requireConnectProtocolHeader: true,
    shutdownSignal: shutdown,
    requestGate({ signal, values }) {
      const call = values.get(callKey);
      const onAbort = (): void => {
        if (call && signal.reason instanceof ConnectError) endWith(call, signal.reason);
      };
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
    },
  });
  routes(router);
  const bytes = new HeldBytes(limits.heldBytes);
  const methods = router.handlers.map((handler): [string, Answer] => [
    handler.requestPath,
    {
      scope: scopeOf(handler.method),
      kind: handler.method.methodKind,
      answer: (request, response, call) =>
        void answerMethod(handler, request, response, call, { limits, bytes }).catch((error: unknown) => {
          // Most of them are callers who have gone.
          log.debug({ err: error }, 'an answer could not be sent');
          if (response.headersSent) response.destroy();
          else refuseCall(request, response, call, error, limits);
        }),
    },
  ]);
  const pages = Object.entries(texts).map(([path, text]): [string, Answer] => [
    path,
    { scope: 'read', kind: 'text', answer: (_, response, call) => answerText(text, response, call, { limits, log }) },
  ]);
  return new Map([...methods, ...pages]);
}

async function answerMethod(
  handler: UniversalHandler,
  request: Request,
  response: Response,
  call: Call,
  { limits, bytes }: { readonly limits: Limits; readonly bytes: HeldBytes },
): Promise<void> {
  const held = bytes.hold(call.principal);
  response.once('close', () => held.release());
  const values = createContextValues().set(callKey, call);
  // It becomes part of a URL that nobody reads, and on a socket it may be none: gRPC's C core sends the path of the socket there.
  request.headers['stream' in request ? ':authority' : 'host'] = 'localhost';
  const asked = universalRequestFromNodeRequest(request, response, undefined, values);
  const answer = await handler({ ...asked, body: heldBody(request, held), signal: goneSignal(asked.signal) });
  const body = answer.body && told(answer.body, response, call, limits);
  await universalResponseToNodeResponse({ ...answer, ...(body ? { body } : {}) }, response);
}

/** Whoever stops reading it would destroy the request, and what is still to come could not be thrown away. */
function heldBody(request: Request, held: Held): AsyncIterable<Uint8Array> {
  const chunks: AsyncIterator<unknown, unknown> = request[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const { value } = await chunks.next();
    if (!(value instanceof Uint8Array)) return { done: true, value: undefined };
    try {
      held.add(value.byteLength);
    } catch (error) {
      throw toConnectError(error);
    }
    return { value };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** Callers who leave give the oddest reasons: whichever it is, the call was canceled. */
function goneSignal(signal: AbortSignal): AbortSignal {
  const gone = new AbortController();
  signal.addEventListener('abort', () => gone.abort(new ConnectError('the caller has gone', Code.Canceled)), { once: true });
  return gone.signal;
}

/** Waits for the reader of an answer from `begin` to `end`, and cuts off who takes nothing of it meanwhile. */
function patience(response: Response, call: Call, { slowReaderMs }: Limits): { begin(): void; end(): void } {
  const cut = (): void => {
    call.code ??= 'resource_exhausted';
    if ('stream' in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else response.destroy();
  };
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  response.once('close', () => {
    isClosed = true;
    clearTimeout(timer);
  });
  return {
    begin: () => {
      if (!isClosed) timer = setTimeout(cut, 2 * slowReaderMs);
    },
    end: () => clearTimeout(timer),
  };
}

/** Counts what is sent. */
async function* told(body: AsyncIterable<Uint8Array>, response: Response, call: Call, limits: Limits): AsyncIterable<Uint8Array> {
  const reader = patience(response, call, limits);
  for await (const chunk of body) {
    reader.begin();
    yield chunk;
    reader.end();
    call.bytes += chunk.byteLength;
  }
  call.code ??= 'ok';
  reader.begin();
}

/** Every value that a header was sent with: the parsed headers hold the first one of some, and all of others in one. */
function askedOf(request: Request): Asked {
  const { rawHeaders } = request;
  const all = (...names: readonly string[]): string[] =>
    rawHeaders.flatMap((name, index) => (index % 2 === 0 && names.includes(name.toLowerCase()) ? [rawHeaders[index + 1] ?? ''] : []));
  return {
    method: request.method ?? '',
    path: pathOf(request),
    httpVersion: request.httpVersion,
    authorities: all('host', ':authority'),
    origins: all('origin'),
    contentTypes: all('content-type'),
    authorizations: all('authorization'),
  };
}

/** One line of the access log for each call, when it is over. Nothing of what was said, which a path that is none may be. */
function beginCall(request: Request, response: Response, destinations: ReadonlyMap<string, Answer>, log: Logger): Call {
  const since = performance.now();
  const path = pathOf(request);
  const call: Call = { principal: '-', method: destinations.has(path) ? path.slice(1) : 'unknown', bytes: 0, entered: false };
  const peer = request.socket.remoteAddress;
  response.once('close', () => {
    const { principal, method, code = 'canceled', bytes } = call;
    if (call.isSilent) return;
    log.info(
      { principal, ...(peer === undefined ? {} : { peer }), method, code, bytes, ms: Math.round(performance.now() - since) },
      'call',
    );
  });
  return call;
}

function pathOf({ url = '' }: Request): string {
  return url.split('?', 1)[0] ?? '';
}

/** Answers with why it is not answered. Who is nobody and tries too often is told only that, and no longer named in the log each time. */
function refuseCall(request: Request, response: Response, call: Call, thrown: unknown, limits: Limits, tries?: FailedTries): void {
  const { error, status, principal }: Partial<Refusal> = thrown instanceof Refusal ? thrown : {};
  const waitMs = principal || !error ? undefined : tries?.fail(request.socket.remoteAddress ?? '');
  if (principal) call.principal = principal.name;
  const headers =
    status === 405
      ? { allow: request.method === 'POST' ? 'GET' : 'POST' }
      : error?.reason.startsWith('TOKEN_')
        ? { 'www-authenticate': 'Bearer' }
        : {};
  if (waitMs === undefined) return end({ error: toConnectError(error), status, headers });
  call.isSilent = true;
  const seconds = String(Math.ceil(waitMs / 1_000));
  const throttled = new DomainError('THROTTLED', 'too many tries that were refused', { metadata: { retry_after_s: seconds } });
  end({ error: toConnectError(throttled), status: 429, headers: { 'retry-after': seconds }, last: true });

  function end(refused: Refused): void {
    call.code = codeToString(refused.error.code);
    call.bytes = refuse(request, response, refused);
    patience(response, call, limits).begin();
  }
}

/** A request that does not end holds memory and a place among the calls. That of HTTP/1.1 is timed by its server. */
function limitBody(request: Request, response: Response, call: Call, limits: Limits): void {
  const { bodyMs } = limits;
  if (!('stream' in request)) {
    // What nobody reads any more would be taken for the beginning of the next request, or keep that from being read.
    response.once('finish', () => request.complete || request.removeAllListeners('readable').resume());
    return;
  }
  const timer = setTimeout(() => {
    const error = new DomainError('DEADLINE_EXCEEDED', `the request did not end within ${bodyMs / 1_000} s`);
    call.code = codeToString(Code.DeadlineExceeded);
    if (response.headersSent) return request.stream.close(constants.NGHTTP2_CANCEL);
    refuse(request, response, { error: toConnectError(error) });
    patience(response, call, limits).begin();
  }, bodyMs);
  request.once('end', () => clearTimeout(timer));
  response.once('close', () => clearTimeout(timer));
  // Who is answered before the end of the request may stop sending it. Trailers are the last of an answer, and have to be on their way.
  request.stream.once('wantTrailers', () => setImmediate(() => request.complete || request.stream.close(constants.NGHTTP2_NO_ERROR)));
}

function answerText(
  text: () => Promise<string>,
  response: Response,
  call: Call,
  { limits, log }: { readonly limits: Limits; readonly log: Logger },
): void {
  const end = (status: number, code: string, body: string): void => {
    call.code = code;
    call.bytes = Buffer.byteLength(body);
    response.statusCode = status;
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    response.end(body);
    patience(response, call, limits).begin();
  };
  text().then(
    (body) => end(200, 'ok', body),
    (error: unknown) => {
      log.error({ err: error }, 'a page could not be made');
      end(503, 'unavailable', 'not now\n');
    },
  );
}
