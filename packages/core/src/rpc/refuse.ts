import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { ConnectError } from '@connectrpc/connect';
import { codeToHttpStatus, endStreamFlag, endStreamToJson, errorToJson } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { DomainError } from '../errors.ts';
import { toConnectError } from './connect-error.ts';

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

export interface Refused {
  readonly error: ConnectError;
  /** Of HTTP, for those who speak nothing else; that of the error's code if absent. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the connection ends with it. */
  readonly last?: boolean;
}

/**
 * Answers with an error, in the protocol that the request's content type names: gRPC and gRPC-Web have it in trailers that come first, a stream
 * of Connect in its end, and everything else gets Connect's JSON with a status of HTTP. What is still to come of the request is thrown away, so
 * that its sender gets to read the answer. Gives the length of the body.
 */
export function refuse(request: Request, response: Response, { error, status, headers, last }: Refused): number {
  const type = (request.headers['content-type'] ?? '').toLowerCase();
  const write = (code: number, contentType: string, body: Buffer, more: Readonly<Record<string, string>> = {}): number => {
    response.statusCode = code;
    const length = body.length === 0 ? {} : { 'content-length': String(body.length) };
    const all = { ...headers, ...more, 'content-type': contentType, ...length };
    for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
    if (request.httpVersionMajor === 1 && last) response.setHeader('connection', 'close');
    // Trailers that come first are such only if nothing comes behind them, not even an empty frame.
    if (body.length === 0) response.end();
    else response.end(body);
    return body.length;
  };
  if (type.startsWith('application/grpc')) {
    const trailers = new Headers();
    setTrailerStatus(trailers, error);
    const web = type.startsWith('application/grpc-web');
    return write(200, web ? 'application/grpc-web+proto' : 'application/grpc', Buffer.alloc(0), Object.fromEntries(trailers));
  }
  if (type.startsWith('application/connect+')) {
    const end = Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
    const head = Buffer.from([endStreamFlag, 0, 0, 0, 0]);
    head.writeUInt32BE(end.length, 1);
    return write(
      200,
      type.startsWith('application/connect+proto') ? 'application/connect+proto' : 'application/connect+json',
      Buffer.concat([head, end]),
    );
  }
  const body = Buffer.from(JSON.stringify(errorToJson(error, undefined)));
  return write(status ?? codeToHttpStatus(error.code), 'application/json', body);
}

const unread: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers of the request are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the headers of the request took too long to come'],
};

/** Answers to bytes of HTTP/1.1 that are no request, and ends the connection. */
export function refuseUnread(error: Error, socket: Duplex): void {
  if (!socket.writable || ('code' in error && error.code === 'ECONNRESET')) return void socket.destroy();
  const [status, message] = unread['code' in error ? String(error.code) : ''] ?? ['400 Bad Request', 'this is no request of HTTP'];
  const body = JSON.stringify(errorToJson(toConnectError(new DomainError('INVALID_REQUEST', message)), undefined));
  const headers = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\n\r\n${body}`);
}
