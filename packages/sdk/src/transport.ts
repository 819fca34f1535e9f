import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Interceptor, Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { Called } from './failure.ts';
import type { TlsFiles } from './credentials.ts';

/** What keeps TCP connections for the next call. A program may end while some are kept. */
export class Connections {
  readonly http: HttpAgent = new HttpAgent({ keepAlive: true });
  readonly https: HttpsAgent = new HttpsAgent({ keepAlive: true });
}

/** HTTP/1.1, because with an HTTP/2 session that dies connect-node ends all its calls as if they had been cancelled. */
export function transportTo({ to, token }: Called, tls: TlsFiles, connections: Connections): Transport {
  // Compression would only cost time where nothing leaves the machine.
  const uncompressed = to.isLocal ? { acceptCompression: [] } : {};
  if (to.kind === 'unix') {
    // HTTP wants an authority, although a socket has none. A new connection costs next to nothing there.
    const nodeOptions = { socketPath: to.path, agent: false };
    return createConnectTransport({ baseUrl: 'http://localhost', httpVersion: '1.1', nodeOptions, ...uncompressed });
  }
  const nodeOptions = to.kind === 'https' ? { agent: connections.https, ...tls } : { agent: connections.http };
  const interceptors = token === undefined ? [] : [bearing(token.value)];
  return createConnectTransport({ baseUrl: to.url.origin, httpVersion: '1.1', nodeOptions, interceptors, ...uncompressed });
}

function bearing(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
}
