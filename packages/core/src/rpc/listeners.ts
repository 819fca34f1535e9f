import { rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';
import type { Logger } from 'pino';
import type { TcpAddress } from '../config/listen.ts';
import { DomainError } from '../errors.ts';
import type { Limits } from './limits.ts';
import type { Speaker } from './speaker.ts';

/** A server that takes connections, and hands them to a speaker as soon as there is one. */
export interface Listener {
  serve(speaker: Speaker): void;
  /** Takes no more connections. */
  close(): void;
  /** Those that are open. */
  readonly sockets: ReadonlySet<net.Socket>;
}

export async function listenOnSocket(path: string, limits: Limits, log: Logger): Promise<Listener> {
  rmSync(path, { force: true }); // ours by the lock on the state folder, and left by a daemon that was killed
  const server = net.createServer();
  const listener = accept(server, 'connection', (speaker) => speaker.plain, limits, log);
  // Only around this call: everything that the daemon starts inherits its umask, and an agent's files are the user's own.
  const umask = process.umask(0o177);
  server.listen(path);
  process.umask(umask);
  await once(server, 'listening');
  return listener;
}

/** Throws DomainError LISTEN_REFUSED if the address cannot be had. */
export async function listenOnTcp(
  address: TcpAddress,
  secure: tls.TlsOptions | undefined,
  limits: Limits,
  log: Logger,
): Promise<{ readonly listener: Listener; readonly bound: AddressInfo }> {
  const server = secure
    ? tls.createServer({ ...secure, ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: limits.headersMs })
    : net.createServer();
  const listener = secure
    ? accept(server, 'secureConnection', (speaker) => (socket) => (isH2(socket) ? speaker.http2 : speaker.http1)(socket), limits, log)
    : accept(server, 'connection', (speaker) => speaker.plain, limits, log);
  server.on('tlsClientError', (error: Error, socket: net.Socket) => {
    log.debug({ err: error }, 'a handshake failed');
    // One that only took too long leaves its connection open.
    socket.destroy();
  });
  try {
    server.listen({ ...address, exclusive: true });
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(address, error);
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw cannotListen(address, 'closed at once');
  return { listener, bound };
}

function isH2(socket: net.Socket): boolean {
  return socket instanceof tls.TLSSocket && socket.alpnProtocol === 'h2';
}

function accept(
  server: net.Server,
  event: 'connection' | 'secureConnection',
  take: (speaker: Speaker) => (socket: net.Socket) => void,
  limits: Limits,
  log: Logger,
): Listener {
  const sockets = new Set<net.Socket>();
  const { promise: ready, resolve: serve } = Promise.withResolvers<Speaker>();
  server.maxConnections = limits.connections;
  let isFull = false;
  server.on('drop', () => {
    if (!isFull) log.warn({ connections: limits.connections }, 'connections are dropped: too many are open');
    isFull = true;
  });
  // Of TLS too: who never ends its handshake holds a connection all the same.
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    if (sockets.size < limits.connections / 2) isFull = false;
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', (error) => log.debug({ err: error }, 'a connection failed'));
  });
  server.on(event, (socket: net.Socket) => {
    socket.on('error', (error) => log.debug({ err: error }, 'a connection failed'));
    void ready.then((speaker) => take(speaker)(socket));
  });
  return { serve, sockets, close: () => void server.close() };
}

function cannotListen({ host, port }: TcpAddress, error: unknown): DomainError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const [why, hint] = causes[code] ?? [code, 'name another address with listen.tcp'];
  return new DomainError('LISTEN_REFUSED', `cannot listen on ${where}: ${why}`, { hint, metadata: { address: where, code }, cause: error });
}

const causes: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: ['the port is in use by another program', 'end that program, or name another port with listen.tcp'],
  EADDRNOTAVAIL: ['this machine has no such address', 'name an address of this machine with listen.tcp'],
  EACCES: ['the port needs privileges', 'name a port above 1023 with listen.tcp'],
};
