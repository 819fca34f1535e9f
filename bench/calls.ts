import { createServer, request } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createPrices } from '../packages/core/src/pricing/price-list.ts';
import { repository, temporaryFolder } from '../packages/testing/src/index.ts';
import { aTask, finished, TestDaemon } from '../test/support/daemon.ts';
import { compare, timed } from './rounds.ts';

const callsARound = 200;
const pricedARound = 20_000;

/** What it takes to ask for a task, beside a bare request over such a socket that is answered with as many bytes. */
export async function calls(rounds: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder }));
  daemon.follow([{ say: 'Done.' }]);
  const client = await daemon.start();
  const { id } = await client.tasks.create(aTask(workspace));
  const answer = JSON.stringify(await finished(client, id));
  const socketPath = join(folder, 'bare.sock');
  const server = createServer((_, response) => void response.end(answer)).listen(socketPath);
  await once(server, 'listening');
  const each = async (call: () => Promise<unknown>): Promise<number> => {
    const ms = await timed(async () => {
      for (let count = 0; count < callsARound; count++) await call();
    });
    return ms / callsARound;
  };
  const subject = (): Promise<number> => each(() => client.tasks.get(id));
  const baseline = (): Promise<number> => each(() => bare(socketPath));
  await compare({ name: 'asking for a task', unit: 'ms', subject, baseline, against: 'a bare HTTP request' }, rounds);
  server.close();
}

async function bare(socketPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request({ socketPath, agent: false }, (response) => void text(response).then(() => resolve(), reject))
    .once('error', reject)
    .end();
  await promise;
}

/** What it takes to price a model call. */
export async function pricing(rounds: number): Promise<void> {
  const prices = createPrices({});
  const call = {
    model: 'claude-sonnet-4-5-20250929',
    provider: 'anthropic',
    usage: { uncachedInputTokens: 1_000, outputTokens: 100 },
    at: Date.now(),
  };
  const rate = async (one: () => unknown): Promise<number> => {
    const ms = await timed(() => {
      for (let count = 0; count < pricedARound; count++) one();
    });
    return (pricedARound / ms) * 1_000;
  };
  const line = JSON.stringify(call);
  const subject = (): Promise<number> => rate(() => prices.price(call));
  const baseline = (): Promise<number> => rate(() => JSON.parse(line) as unknown);
  await compare({ name: 'pricing of a model call', unit: '/s', subject, baseline, against: 'JSON.parse of it' }, rounds);
}
