import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { codeFromString } from '@connectrpc/connect/protocol-connect';
import { ErrorInfoSchema, StatusSchema, type ErrorInfo } from '@singletree/protocol';

/** Where to, and how: `path` is that of a unix socket. */
export type Target = { readonly version: 1 | 2 } & ({ readonly path: string } | { readonly port: number });

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  /** Sent as they are, one line for each value. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A connection, or as many as HTTP/1.1 needs, for requests that are sent without any client's help. */
export interface Connection extends Disposable {
  /** Trailers come with the headers. Rejects if nothing is answered. */
  ask(request: RawRequest): Promise<RawAnswer>;
}

export function open(target: Target): Connection {
  return target.version === 1 ? openHttp1(target) : openHttp2(target);
}

/** One request on a connection of its own. */
export async function ask(target: Target, request: RawRequest): Promise<RawAnswer> {
  using connection = open(target);
  return await connection.ask(request);
}

const patienceMs = 10_000;

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${patienceMs} ms`)), patienceMs);
  try {
    return await Promise.race([late, answer]);
  } finally {
    clearTimeout(timer);
  }
}

function openHttp1(target: Target): Connection {
  const agent = new http.Agent({ keepAlive: true });
  const where = 'path' in target ? { socketPath: target.path } : { host: '127.0.0.1', port: target.port };
  return {
    ask({ method = 'POST', path, headers = {}, body = '' }) {
      const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
      const given = { 'content-length': String(Buffer.byteLength(body)), ...headers };
      const request = http.request({ ...where, method, path, headers: given, setHost: false, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve(answerOf(response.statusCode ?? 0, { ...response.headers, ...response.trailers }, chunks)));
      });
      request.on('error', reject);
      request.end(body);
      return inTime(promise);
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function openHttp2(target: Target): Connection {
  const session = http2.connect('http://localhost', { createConnection: () => connectTo(target) });
  // Each request that it ends hears of it.
  session.on('error', () => undefined);
  return {
    ask({ method = 'POST', path, headers = {}, body = '' }) {
      const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
      const { host = 'localhost', ...others } = headers;
      const authority = typeof host === 'string' ? host : host.join();
      const stream = session.request({ ':method': method, ':path': path, ':authority': authority, ...others }, { endStream: false });
      let seen: http2.IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];
      stream.on('response', (given) => (seen = given));
      stream.on('trailers', (given) => (seen = { ...seen, ...given }));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('close', () =>
        seen[':status'] === undefined
          ? reject(new Error(`reset with code ${stream.rstCode}`))
          : resolve(answerOf(Number(seen[':status']), seen, chunks)),
      );
      stream.end(body);
      return inTime(promise);
    },
    [Symbol.dispose]: () => session.destroy(),
  };
}

export function connectTo(target: Target): net.Socket {
  return 'path' in target ? net.connect(target.path) : net.connect(target.port, '127.0.0.1');
}

/** Writes bytes and gives what comes until the other side ends the connection, or until nothing has come for so long. */
export async function writeBytes(target: Target, bytes: Uint8Array | string, quietMs = 300): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  const socket = connectTo(target);
  const end = (): void => {
    socket.destroy();
    resolve(Buffer.concat(chunks));
  };
  socket.setTimeout(quietMs, end);
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', end);
  socket.on('close', end);
  socket.write(bytes);
  return await promise;
}

function answerOf(status: number, headers: http.IncomingHttpHeaders, chunks: readonly Buffer[]): RawAnswer {
  const flat = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    Array.isArray(value) ? value.join() : String(value),
  ]);
  return { status, headers: Object.fromEntries(flat), body: Buffer.concat(chunks) };
}

export interface WireError {
  readonly code: Code;
  readonly message: string;
  readonly infos: readonly ErrorInfo[];
  /** Details of every kind. */
  readonly details: number;
}

/** The error that an answer of any of the three protocols tells of; undefined for an answer without one. */
export function errorIn({ headers, body }: RawAnswer): WireError | undefined {
  const type = headers['content-type'] ?? '';
  if (type.startsWith('application/grpc-web')) return errorOfTrailers({ ...headers, ...trailersIn(body) });
  if (type.startsWith('application/grpc')) return errorOfTrailers(headers);
  const json: unknown = type.startsWith('application/connect+') ? endOf(body) : parsed(body);
  return isRecord(json) ? errorOfJson(json) : undefined;
}

function errorOfTrailers(headers: Readonly<Record<string, string>>): WireError | undefined {
  const status = Number(headers['grpc-status'] ?? Code.Unknown);
  if (status === 0) return undefined;
  const code = Object.values(Code).find((value): value is Code => Number(value) === status) ?? Code.Unknown;
  const { details } = fromBinary(StatusSchema, Buffer.from(headers['grpc-status-details-bin'] ?? '', 'base64'));
  const infos = details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).filter((info) => info !== undefined);
  return { code, message: decodeURIComponent(headers['grpc-message'] ?? ''), infos, details: details.length };
}

function errorOfJson({ code, message, details = [] }: Readonly<Record<string, unknown>>): WireError | undefined {
  const found = typeof code === 'string' ? codeFromString(code) : undefined;
  if (found === undefined || !Array.isArray(details)) return undefined;
  const infos = details
    .filter(isRecord)
    .filter(({ type }) => type === 'google.rpc.ErrorInfo')
    .map(({ value }) => fromBinary(ErrorInfoSchema, Buffer.from(String(value), 'base64')));
  return { code: found, message: typeof message === 'string' ? message : '', infos, details: details.length };
}

/** The messages of a body of envelopes, with their flags. */
function* envelopesIn(body: Buffer): Generator<{ readonly flags: number; readonly data: Buffer }> {
  for (let at = 0; at + 5 <= body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    yield { flags: body[at] ?? 0, data: body.subarray(at + 5, end) };
    at = end;
  }
}

/** A byte of flags, four of length, the message. */
export function envelope(message: Uint8Array | string, flags = 0): Buffer {
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(message), 1);
  return Buffer.concat([head, Buffer.from(message)]);
}

function trailersIn(body: Buffer): Record<string, string> {
  const trailer = [...envelopesIn(body)].find(({ flags }) => (flags & 0x80) !== 0)?.data.toString() ?? '';
  const lines = trailer.split('\r\n').filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

function endOf(body: Buffer): unknown {
  const end = [...envelopesIn(body)].find(({ flags }) => (flags & 0x02) !== 0);
  const json = end && parsed(end.data);
  return isRecord(json) ? json['error'] : undefined;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
