import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { repository, temporaryFolder } from '../packages/testing/src/index.ts';
import { aTask, finished, TestDaemon } from '../test/support/daemon.ts';
import { compare, shown, timed } from './rounds.ts';

const concurrency = 4;

/** What a task costs beside its agent, and what it leaves in the memory of the daemon. The agent says one word. */
export async function tasks(rounds: number, many: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await temporaryFolder());
  const { path: workspace } = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: concurrency } } }));
  daemon.follow([{ say: 'Done.' }]);
  const client = await daemon.start();
  const task = aTask(workspace);

  const started = async (): Promise<number> => {
    const controller = new AbortController();
    const begin = performance.now();
    const { id } = await client.tasks.create(task);
    let ms = Number.NaN;
    for await (const event of client.tasks.watch(id, { signal: controller.signal })) {
      if (event.kind === 'attempt_started') ms = performance.now() - begin;
    }
    return ms;
  };
  const bare = (): Promise<number> => timed(node);
  await compare({ name: 'create to start of the agent', unit: 'ms', subject: started, baseline: bare, against: 'node -e 0' }, rounds);

  const batch = 5 * concurrency;
  const run = async (count: number): Promise<number> => {
    const ms = await timed(async () => {
      const ids = await Promise.all(Array.from({ length: count }, async () => (await client.tasks.create(task)).id));
      for (const id of ids) await finished(client, id, 120_000);
    });
    return (count / ms) * 1_000;
  };
  const spawned = async (): Promise<number> => {
    const one = async (): Promise<void> => {
      for (let count = 0; count < batch / concurrency; count++) await node();
    };
    return (batch / (await timed(() => Promise.all(Array.from({ length: concurrency }, one))))) * 1_000;
  };
  const against = `node -e 0, ${concurrency} at once`;
  await compare({ name: 'tasks to their end', unit: '/s', subject: () => run(batch), baseline: spawned, against }, rounds);

  const before = residentKb(daemon.pid);
  await run(many);
  const after = residentKb(daemon.pid);
  const each = `${shown((after - before) / many)} kB a task over ${many}`;
  console.log(`${'memory of the daemon'.padEnd(34)} ${`${shown(after / 1_024)} MB`.padStart(14)}   ${each}`);
}

async function node(): Promise<void> {
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
}

/** What the process holds, code and shared libraries included. */
function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
