import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** What a receiver does with a request that it has read. */
export type Reply =
  | 'ok'
  /** The connection is over, and it has said nothing: by an end, or by a reset. */
  | 'end'
  | 'reset'
  /** It never says anything. */
  | 'silence'
  | { readonly afterMs: number }
  /** A partial success: so many spans were not taken. */
  | { readonly rejected: number }
  /** The same refusal in both languages. */
  | {
      readonly http: { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };
      readonly grpc: { readonly code: number; readonly details?: string; readonly retryInMs?: number };
    };

/** Called with the body of each request. */
export type Choose = (body: Buffer) => Reply;

export interface Receiver extends AsyncDisposable {
  readonly port: number;
}

const folder = join(import.meta.dirname, '../../fixtures/tls');
export const pemFile = (name: string): string => join(folder, `${name}.pem`);
const identity = () => ({ cert: readFileSync(pemFile('server')), key: readFileSync(pemFile('server-key')) });

const field = (number: number, bytes: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
const whole = (number: number, value: number): Uint8Array => new BinaryWriter().tag(number, WireType.Varint).int64(value).finish();

/** An `ExportTraceServiceResponse` whose partial success has a number and a word. */
function partial(rejected: number): Uint8Array {
  return field(1, Buffer.concat([whole(1, rejected), field(2, Buffer.from('too old'))]));
}

/** A google.rpc.Status with a RetryInfo among its details. */
function retryInfo(ms: number): Uint8Array {
  const delay = Buffer.concat([whole(1, Math.floor(ms / 1_000)), whole(2, (ms % 1_000) * 1_000_000)]);
  const type = Buffer.from('type.googleapis.com/google.rpc.RetryInfo');
  return field(3, Buffer.concat([field(1, type), field(2, field(1, delay))]));
}

export async function httpReceiver(choose: Choose, tls = false): Promise<Receiver> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const reply = choose(await buffer(request));
    if (reply === 'end') return void response.destroy();
    if (reply === 'reset') return void request.socket.resetAndDestroy();
    if (reply === 'silence') return;
    if (reply === 'ok') return void response.end();
    if ('afterMs' in reply) return void (await sleep(reply.afterMs), response.end());
    if ('rejected' in reply) return void response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(partial(reply.rejected));
    response.writeHead(reply.http.status, reply.http.headers).end(reply.http.body);
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(request, response).catch(() => response.destroy());
  return await listening(tls ? createHttpsServer(identity(), handle) : createHttpServer(handle));
}

/** A receiver by gRPC that is made of frames, since a gRPC server would do nothing of the bad that it is to do. */
export async function grpcReceiver(choose: Choose, tls = false): Promise<Receiver> {
  const answer = async (stream: ServerHttp2Stream): Promise<void> => {
    const reply = choose((await buffer(stream)).subarray(5));
    if (reply === 'end') stream.session?.destroy();
    if (reply === 'reset') for (const socket of sockets) socket.resetAndDestroy();
    if (reply === 'end' || reply === 'reset' || reply === 'silence') return;
    if (reply !== 'ok' && 'afterMs' in reply) await sleep(reply.afterMs);
    const refusal = reply !== 'ok' && 'grpc' in reply ? reply.grpc : undefined;
    const message = reply !== 'ok' && 'rejected' in reply ? partial(reply.rejected) : new Uint8Array();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({
        'grpc-status': String(refusal?.code ?? 0),
        ...(refusal?.details === undefined ? {} : { 'grpc-message': refusal.details }),
        ...(refusal?.retryInMs === undefined
          ? {}
          : { 'grpc-status-details-bin': Buffer.from(retryInfo(refusal.retryInMs)).toString('base64') }),
      }),
    );
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.byteLength, 1);
    stream.end(refusal ? undefined : Buffer.concat([head, message]));
  };
  const server = tls ? createSecureServer(identity()) : createHttp2Server();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => void sockets.add(socket));
  server.on('stream', (stream) => void answer(stream).catch(() => stream.destroy()));
  server.on('sessionError', () => undefined);
  return await listening(server);
}

/**
 * A way to a receiver whose first connection leads nowhere: it stands, takes what it is given and gives nothing, as one does whose other end was
 * switched off. Later ones work.
 */
export async function halfOpen(to: number): Promise<Receiver> {
  let connections = 0;
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    if (++connections === 1) return void socket.resume();
    const onward = connect(to, '127.0.0.1');
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    socket.pipe(onward).pipe(socket);
  });
  return await listening(server);
}

async function listening(server: Server): Promise<Receiver> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port, [Symbol.asyncDispose]: close };
}
