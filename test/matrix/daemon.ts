import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Singletree } from '@singletree/sdk';
import { repository, temporaryFolder, type FakeScript } from '@singletree/testing';
import { aTask, finished, TestDaemon } from '../support/daemon.ts';
import { matrixCases } from './cases.ts';

const certificates = join(import.meta.dirname, '../../packages/core/fixtures/tls');

/** One address of a daemon, and what there is to ask for behind it. Names and values are the same in the JSON that other languages get. */
export interface MatrixTarget {
  readonly name: 'socket' | 'tcp' | 'tls';
  /** `unix:` and a path, `http://127.0.0.1:PORT` or `https://localhost:PORT`. */
  readonly address: string;
  /** To be sent as `authorization: Bearer TOKEN`. Absent over the socket, which asks for none. */
  readonly token?: string;
  /** The file that holds the token. */
  readonly token_file?: string;
  /** The authority, as PEM, that vouches for the daemon's certificate. */
  readonly ca_file?: string;
  /** Absolute path of a git repository. */
  readonly workspace: string;
  /** Id of a task that is completed, and the number of its events. */
  readonly finished_task: string;
  readonly last_sequence: number;
  /** Id of a task that goes on until the daemon ends. */
  readonly running_task: string;
}

export interface Matrix extends AsyncDisposable {
  readonly targets: readonly MatrixTarget[];
  readonly daemons: readonly TestDaemon[];
}

/** What a driver in another language needs, as the JSON that it reads: the cases and where to make them. */
export function matrixSettings({ targets }: Matrix): string {
  return JSON.stringify({ cases: matrixCases, targets });
}

const script: FakeScript = {
  prompts: [
    { match: 'Go on for ever', script: [{ say: 'It begins.' }, { hang: true }] },
    { match: '', script: [{ say: 'one' }, { call: { input: 1, output: 1 } }, { say: 'two' }] },
  ],
};

/**
 * Two daemons, since one speaks TLS on its port or does not: the first has a socket and a port without TLS, the second a port with it. Each has a
 * task that is done and one that goes on.
 */
export async function startMatrix(): Promise<Matrix> {
  const stack = new AsyncDisposableStack();
  try {
    const workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
    const tls = { certificate: join(certificates, 'server.pem'), key: join(certificates, 'server-key.pem') };
    const listens = [
      { socket: true, tcp: '127.0.0.1:0' },
      { socket: true, tcp: '127.0.0.1:0', hosts: ['localhost'], tls },
    ];
    const folders = await Promise.all(listens.map(async () => stack.use(await temporaryFolder()).path));
    const daemons = listens.map((listen, index) => stack.use(new TestDaemon({ folder: folders[index] ?? '', configuration: { listen } })));
    const served = await Promise.all(daemons.map((daemon) => serve(daemon, workspace)));
    return { targets: served.flat(), daemons, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function serve(daemon: TestDaemon, workspace: string): Promise<MatrixTarget[]> {
  daemon.follow(script);
  const client = await daemon.start();
  const tasks = await theTasks(client, workspace);
  const { address, tcp, token_file } = addressFileOf(daemon);
  if (tcp === undefined || token_file === undefined) return [{ name: 'socket', address, ...tasks }];
  const token = { token: readFileSync(token_file, 'utf8').trim(), token_file };
  // A name, as other people's clients have it: theirs look whether the certificate is for that name.
  if (tcp.startsWith('https:'))
    return [{ name: 'tls', address: tcp.replace('127.0.0.1', 'localhost'), ...token, ca_file: join(certificates, 'ca.pem'), ...tasks }];
  return [
    { name: 'socket', address, ...tasks },
    { name: 'tcp', address: tcp, ...token, ...tasks },
  ];
}

async function theTasks(
  client: Singletree,
  workspace: string,
): Promise<Pick<MatrixTarget, 'workspace' | 'finished_task' | 'last_sequence' | 'running_task'>> {
  const [done, running] = await Promise.all([
    client.tasks.create(aTask(workspace)),
    client.tasks.create(aTask(workspace, { instructions: 'Go on for ever.' })),
  ]);
  const { lastSequence } = await finished(client, done.id);
  for await (const event of client.tasks.watch(running.id)) if (event.kind === 'text') break;
  return { workspace, finished_task: done.id, last_sequence: lastSequence, running_task: running.id };
}

interface AddressFile {
  readonly address: string;
  readonly tcp?: string;
  readonly token_file?: string;
}

function addressFileOf(daemon: TestDaemon): AddressFile {
  const file = join(daemon.state, 'address.json');
  if (!existsSync(file)) throw new Error(`${file} is not there`);
  return JSON.parse(readFileSync(file, 'utf8')) as AddressFile;
}
