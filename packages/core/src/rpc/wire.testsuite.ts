import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectRouter } from '@connectrpc/connect';
import { pino } from 'pino';
import { statePaths } from '../state-folder/paths.ts';
import { openTokens, type Scope } from '../state-folder/tokens.ts';
import { limits, type Limits } from './limits.ts';
import { openWire, type Server, type WireParts } from './server.ts';

export interface TestWire extends AsyncDisposable {
  readonly folder: string;
  /** Path of the unix socket. */
  readonly path: string;
  /** Over TCP. */
  readonly port: number;
  readonly url: string;
  readonly tokens: Readonly<Record<Scope, string>>;
  readonly server: Server;
  /** What the daemon's log would hold, as JSON lines. */
  readonly log: string[];
  /** The lines of the access log. */
  calls(): readonly Readonly<Record<string, unknown>>[];
}

export interface TestWireOptions {
  readonly listen?: Partial<WireParts['listen']>;
  readonly limits?: Partial<Limits>;
  readonly texts?: Readonly<Record<string, () => Promise<string>>>;
}

/** The wire of a daemon without the daemon: on a socket and a free port of loopback, in a folder of its own. */
export async function openTestWire(routes: (router: ConnectRouter) => void, options: TestWireOptions = {}): Promise<TestWire> {
  const folder = mkdtempSync(join(tmpdir(), 'singletree-wire-'));
  const remove = (): void => rmSync(folder, { recursive: true });
  const log: string[] = [];
  const tokens = openTokens(statePaths(folder));
  const path = join(folder, 'wire.sock');
  const wire = await openWire({
    listen: { socket: true, tcp: { host: '127.0.0.1', port: 0 }, hosts: [], ...options.listen },
    socketPath: path,
    tokens: () => tokens,
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
    limits: { ...limits, ...options.limits },
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  const server = wire.serve(routes, options.texts ?? {});
  const url = wire.tcp ?? wire.address;
  return {
    folder,
    path,
    url,
    port: Number(/:(\d+)$/.exec(url)?.[1]),
    tokens,
    server,
    log,
    calls: () => log.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>).filter(({ msg }) => msg === 'call'),
    async [Symbol.asyncDispose]() {
      await server.close();
      remove();
    },
  };
}
