import { rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { once } from 'node:events';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Logger } from 'pino';
import { edge } from './edge.ts';
import { jsonOptions } from './json-text.ts';

/** Largest request: prompt, context and their envelope. It bounds decompression too. */
const readMaxBytes = 4 * 1024 * 1024;
const http2Settings: http2.ServerOptions = { settings: { maxConcurrentStreams: 256 }, maxSessionMemory: 10 };
const shutdownGraceMs = 2_000;

export interface Server {
  /** Calls that are being answered, watches included. */
  activeCalls(): number;
  /** Takes no new calls, gives running ones a moment, then cuts them. Watchers resume elsewhere. */
  close(): Promise<void>;
}

/** Serves Connect, gRPC and gRPC-Web over HTTP/1.1 and h2c on one unix socket: the first bytes of a connection tell which it speaks. `texts` are answers to plain GETs, by path. */
export async function serve(
  socketPath: string,
  routes: (router: ConnectRouter) => void,
  texts: Readonly<Record<string, () => Promise<string>>>,
  log: Logger,
): Promise<Server> {
  const shutdown = new AbortController();
  const handler = connectNodeAdapter({ routes, interceptors: [edge(log)], jsonOptions, readMaxBytes, shutdownSignal: shutdown.signal });
  let active = 0;
  const counted: typeof handler = (request, response) => {
    active += 1;
    response.once('close', () => (active -= 1));
    const text = request.method === 'GET' ? texts[request.url ?? ''] : undefined;
    if (text) answerText(text, response, log);
    else handler(request, response);
  };
  const one = http.createServer(counted);
  const two = http2.createServer(http2Settings, counted);
  const sockets = new Set<net.Socket>();
  two.on('sessionError', (error) => log.debug({ err: error }, 'an HTTP/2 session failed'));
  const listener = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', (error) => log.debug({ err: error }, 'a connection failed'));
    socket.once('readable', () => {
      // Reading and unshifting on `readable` keeps the bytes for whoever takes over; with `data` and pause the first frames get lost.
      const first: unknown = socket.read();
      if (!Buffer.isBuffer(first)) return;
      socket.unshift(first);
      (first.subarray(0, 2).toString('latin1') === 'PR' ? two : one).emit('connection', socket);
    });
  });
  rmSync(socketPath, { force: true }); // ours by the lock on the state folder, and left by a daemon that was killed
  // Only around this call: everything that the daemon starts inherits its umask, and an agent's files are the user's own.
  const umask = process.umask(0o177);
  listener.listen(socketPath);
  process.umask(umask);
  await once(listener, 'listening');
  return {
    activeCalls: () => active,
    async close() {
      shutdown.abort();
      listener.close();
      one.closeIdleConnections();
      const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), shutdownGraceMs);
      const open = [...sockets].filter((socket) => !socket.destroyed);
      await Promise.allSettled(open.map((socket) => once(socket, 'close')));
      clearTimeout(timer);
      two.close();
    },
  };
}

function answerText(text: () => Promise<string>, response: Parameters<ReturnType<typeof connectNodeAdapter>>[1], log: Logger): void {
  const end = (status: number, body: string): void => {
    response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(body);
  };
  text().then(
    (body) => end(200, body),
    (error: unknown) => {
      log.error({ err: error }, 'a page could not be made');
      end(503, 'not now\n');
    },
  );
}
