import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '@singletree/testing';
import { afterAll, inject } from 'vitest';
import type { Backend } from '../../../tools/backends/backends.ts';

/** A real server in a process of its own. Disposed of, it is asked to end, and then made to. */
export interface Server extends AsyncDisposable {
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
}

export interface Start {
  readonly name: Backend['name'];
  readonly args: readonly string[];
  /** All that it has in its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** For its log. */
  readonly folder: string;
  /** Answers 200 when the server takes calls. */
  readonly ready: string;
}

/** Why a part is not there; undefined if it is. */
export function missing(name: Backend['name']): string | undefined {
  const installed = inject('backends')[name];
  return 'missing' in installed ? installed.missing : undefined;
}

const started = new Set<Server>();
/** Nothing of them outlives the file of tests, not even after one that ran out of time. */
afterAll(() => Promise.all([...started].map((server) => server.kill())));

export async function startServer({ name, args, env = {}, folder, ready }: Start): Promise<Server> {
  const installed = inject('backends')[name];
  if ('missing' in installed) throw new Error(`${name} is not there: ${installed.missing}`);
  const file = join(folder, `${name}.log`);
  const log = openSync(file, 'a');
  const child = spawn(installed.program, args, { cwd: folder, env, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = once(child, 'exit');
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (hasEnded()) return;
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(hard);
  };
  const server: Server = { kill: () => end('SIGKILL'), [Symbol.asyncDispose]: () => end('SIGTERM') };
  started.add(server);
  try {
    await until(async () => hasEnded() || (await fetch(ready)).ok, { what: `${name} to be ready`, timeoutMs: 60_000, everyMs: 50 });
    if (hasEnded()) throw new Error(`${name} ended at its start`);
    return server;
  } catch (error) {
    await server.kill();
    throw new Error(`${name}: ${readFileSync(file, 'utf8').slice(-3_000)}`, { cause: error });
  }
}

/** Ports on loopback that nobody listens on. All are held until the last is found, so that they differ. */
export async function freePorts<const Names extends readonly string[]>(...names: Names): Promise<Record<Names[number], number>> {
  const found = await Promise.all(
    names.map(async (name) => {
      const holder = createServer().listen(0, '127.0.0.1');
      await once(holder, 'listening');
      const address = holder.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
      return { name, holder, port: address.port };
    }),
  );
  for (const { holder } of found) {
    holder.close();
    await once(holder, 'close');
  }
  return Object.fromEntries(found.map(({ name, port }) => [name, port])) as Record<Names[number], number>;
}

/** The JSON that a server answers; the status and the text where it answers something else than 200. */
export async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url);
  const body = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body.slice(0, 500)}`);
  return JSON.parse(body);
}
