import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Limits } from './limits.ts';
import { refuseUnread, type Request, type Response } from './refuse.ts';

export type Handler = (request: Request, response: Response) => void;

/** Speaks HTTP on connections that others have accepted. */
export interface Speaker {
  /** The first bytes tell whether it is HTTP/1.1 or HTTP/2. */
  readonly plain: (socket: Socket) => void;
  readonly http1: (socket: Socket) => void;
  readonly http2: (socket: Socket) => void;
  /** Ends the connections that have no call, and lets the others go on. */
  close(): void;
}

/** How HTTP/2 begins, and no request of HTTP/1.1: PROPFIND is one. */
const preface = Buffer.from('PRI ');

/** HTTP/1.1 and HTTP/2 for one handler, with the limits of the wire. */
export function createSpeaker(handler: Handler, limits: Limits, log: Logger): Speaker {
  const one = http.createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.bodyMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.ceil(limits.headersMs / 4),
    },
    handler,
  );
  one.on('clientError', (error, socket) => refuseUnread(error, socket));
  // It never listens itself; this is what makes it watch the time that requests take.
  one.emit('listening');
  const sessions = new Set<http2.ServerHttp2Session>();
  const two = http2.createServer(
    {
      settings: { maxConcurrentStreams: limits.streams, maxHeaderListSize: limits.headerBytes, enableConnectProtocol: false },
      maxSessionMemory: 10,
      maxHeaderListPairs: 64,
      maxSessionRejectedStreams: 100,
      maxSessionInvalidFrames: 100,
    },
    handler,
  );
  two.on('sessionError', (error) => log.debug({ err: error }, 'an HTTP/2 session failed'));
  two.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    endWhenIdle(session, limits.idleMs);
  });
  const silent = new Set<Socket>();
  const speakTwo = (socket: Socket): void => void two.emit('connection', socket);
  const speakOne = (socket: Socket): void => void one.emit('connection', socket);
  return {
    http1: speakOne,
    http2: speakTwo,
    plain(socket) {
      socket.setTimeout(limits.headersMs, () => socket.destroy());
      silent.add(socket);
      socket.once('close', () => silent.delete(socket));
      let first = Buffer.alloc(0);
      const look = (): void => {
        // Reading and unshifting on `readable` keeps the bytes for whoever takes over; with `data` and pause the first frames get lost.
        const more: unknown = socket.read();
        if (!Buffer.isBuffer(more)) return void socket.once('readable', look);
        first = Buffer.concat([first, more]);
        const isTwo = first.subarray(0, preface.length).equals(preface);
        if (!isTwo && preface.subarray(0, first.length).equals(first)) return void socket.once('readable', look);
        silent.delete(socket);
        socket.setTimeout(0).removeAllListeners('timeout');
        socket.unshift(first);
        (isTwo ? speakTwo : speakOne)(socket);
      };
      socket.once('readable', look);
    },
    close() {
      one.close();
      one.closeIdleConnections();
      sessions.forEach((session) => session.close());
      silent.forEach((socket) => socket.destroy());
    },
  };
}

/** A session that sends nothing and has no stream ends, whatever it has begun to say. */
function endWhenIdle(session: http2.ServerHttp2Session, idleMs: number): void {
  let open = 0;
  // A timer that has fired is over, and the end of a stream begins no other one by itself.
  const begin = (): void => session.setTimeout(idleMs);
  session.on('stream', (stream) => {
    open += 1;
    stream.once('close', () => {
      open -= 1;
      if (open === 0 && !session.destroyed) begin();
    });
  });
  session.on('timeout', () => open === 0 && session.destroy());
  begin();
}
