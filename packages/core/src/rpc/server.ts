import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import type { Listen } from '../config/listen.ts';
import { DomainError } from '../errors.ts';
import type { Scope } from '../state-folder/tokens.ts';
import { createAnswers, type Door } from './answer.ts';
import { readCertificate } from './certificate.ts';
import { toConnectError } from './connect-error.ts';
import { FailedTries } from './failed-tries.ts';
import { authorityOf, hostsOf, nameHere } from './hosts.ts';
import { limits as usualLimits, type Limits } from './limits.ts';
import { listenOnSocket, listenOnTcp, type Listener } from './listeners.ts';
import { byToken } from './principals.ts';
import { createSpeaker } from './speaker.ts';

const shutdownGraceMs = 2_000;

export interface WireParts {
  readonly listen: Listen;
  readonly socketPath: string;
  /** Asked for when there is a TCP address. */
  readonly tokens: () => Readonly<Record<Scope, string>>;
  readonly log: Logger;
  readonly limits?: Limits;
  /** Asked about each call, around everything else. */
  readonly interceptors?: readonly Interceptor[];
}

/** Bound, and silent until there is something to say: who connects meanwhile is answered then. */
export interface Wire {
  /** URL of the socket, or where there is none that over TCP. */
  readonly address: string;
  readonly tcp?: string;
  /** The same as a client of this machine calls it. */
  readonly tcpHere?: string;
  /** `texts` are answers to plain GETs, by path. */
  serve(routes: (router: ConnectRouter) => void, texts: Readonly<Record<string, () => Promise<string>>>): Server;
}

export interface Server {
  /** Calls that are being answered, watches included. */
  activeCalls(): number;
  /** Takes no new calls, gives running ones a moment, then cuts them. Watchers resume elsewhere. */
  close(): Promise<void>;
}

/**
 * Listens where the configuration says, to Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2 on each address. Throws DomainError
 * LISTEN_REFUSED, and StateFolderRefused for tokens that others may know.
 */
export async function openWire({ listen, socketPath, tokens, log, limits = usualLimits, interceptors = [] }: WireParts): Promise<Wire> {
  const doors: { readonly listener: Listener; readonly door: Door }[] = [];
  let urls: { readonly tcp: string; readonly tcpHere: string } | undefined;
  if (listen.tcp) {
    // Both are looked at before anything listens.
    const secure = listen.tls && readCertificate(listen.tls);
    const principal = byToken(tokens());
    const { listener, bound } = await listenOnTcp(listen.tcp, secure, limits, log);
    const scheme = secure ? 'https' : 'http';
    urls = { tcp: `${scheme}://${authorityOf(bound)}`, tcpHere: `${scheme}://${nameHere(bound)}` };
    doors.push({
      listener,
      door: { hosts: hostsOf(listen.hosts, bound), principal, tries: new FailedTries(() => performance.now(), limits.failedTries) },
    });
  }
  if (listen.socket) {
    const listener = await listenOnSocket(socketPath, limits, log);
    doors.push({ listener, door: { principal: () => ({ name: 'socket', scope: 'admin' }) } });
  }
  return {
    address: listen.socket || !urls ? `unix:${socketPath}` : urls.tcpHere,
    ...urls,
    serve(routes, texts) {
      const shutdown = new AbortController();
      const answers = createAnswers({ routes, texts, limits, log, interceptors, shutdown: shutdown.signal });
      const speakers = doors.map(({ listener, door }) => {
        const speaker = createSpeaker(answers.through(door), limits, log);
        listener.serve(speaker);
        return speaker;
      });
      return {
        activeCalls: () => answers.active(),
        async close() {
          shutdown.abort(toConnectError(new DomainError('SHUTTING_DOWN', 'the daemon is stopping')));
          doors.forEach(({ listener }) => listener.close());
          speakers.forEach((speaker) => speaker.close());
          await allClosed(doors.flatMap(({ listener }) => [...listener.sockets]));
        },
      };
    },
  };
}

async function allClosed(sockets: readonly Socket[]): Promise<void> {
  const open = sockets.filter((socket) => !socket.destroyed);
  const timer = setTimeout(() => open.forEach((socket) => socket.destroy()), shutdownGraceMs);
  await Promise.allSettled(open.map((socket) => once(socket, 'close')));
  clearTimeout(timer);
}
