import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { repository, temporaryFolder, until, type FakeScript } from '@singletree/testing';
import { expect, test } from 'vitest';
import { TestDaemon } from './daemon.ts';

/** What a program that was started has come to. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's machine: a HOME with a state folder where it is without any configuration, a repository in `src/shop`, and a daemon on socket and TCP. */
export interface Scene extends AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly home: string;
  /** Absolute path of the repository. */
  readonly shop: string;
  /** Of the daemon, `http://127.0.0.1:PORT`. */
  tcp(): string;
  /** Lets the agent of a task "Do it." end. */
  go(): void;
  /** Has that agent wait. */
  wait(): void;
  start(command: readonly string[], environment?: NodeJS.ProcessEnv, stdin?: string): { told(): string; readonly ended: Promise<Ended> };
}

export async function startScene(): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await temporaryFolder()).path;
    const { path } = stack.use(await repository({ files: { 'a.txt': 'before\n', 'test.sh': 'grep after a.txt\n' } }));
    const daemon = stack.use(new TestDaemon({ folder, configuration: { listen: { socket: true, tcp: '127.0.0.1:0' } } }));
    const { home } = daemon;
    const shop = join(home, 'src/shop');
    for (const [link, target] of [
      [shop, path],
      [join(home, '.local/state/singletree'), daemon.state],
    ] as const) {
      mkdirSync(join(link, '..'), { recursive: true });
      symlinkSync(target, link);
    }
    const signal = join(folder, 'go');
    const script: FakeScript = {
      prompts: [
        { match: 'Never end', script: [{ say: 'It begins.' }, { hang: true }] },
        { match: 'Do it', script: [{ say: 'one' }, { waitFor: signal }, { say: 'two' }] },
        { match: '', script: [{ say: 'one' }, { write: { path: 'a.txt', content: 'after\n' } }, { say: 'two' }] },
      ],
    };
    daemon.follow(script);
    await daemon.start();
    return {
      daemon,
      home,
      shop,
      tcp() {
        const left = JSON.parse(readFileSync(join(daemon.state, 'address.json'), 'utf8')) as { readonly tcp?: string };
        return left.tcp ?? expect.fail('the daemon has no TCP address');
      },
      go: () => writeFileSync(signal, ''),
      wait: () => rmSync(signal, { force: true }),
      start([file = '', ...args], environment = {}, stdin = '') {
        const child = spawn(file, args, { cwd: shop, env: { PATH: process.env['PATH'], HOME: home, ...environment } });
        child.stdin.end(stdin);
        let stderr = '';
        child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
        const closed = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
        const ended = Promise.all([text(child.stdout), closed]).then(([stdout, code]) => ({ code, stdout, stderr }));
        return { told: () => stderr, ended };
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** How an example is started; its arguments are a workspace, the instructions, and after how long it cancels the task. */
export interface Example {
  readonly command: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** One second, as the example writes it. */
  readonly aSecond: string;
}

/** What each of the programs in examples/ does, in whatever language, told nothing of where the daemon is. `isShort`: the quickest of it. */
export function exampleTests(scene: () => Scene, example: () => Example | Promise<Example>, isShort = false): void {
  async function start(args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<ReturnType<Scene['start']>> {
    const { command, environment } = await example();
    return scene().start([...command, ...args], { ...environment, ...more });
  }

  test.skipIf(isShort)('follows a task across the death of its daemon, and gives the completion event', async () => {
    const { shop, daemon, wait, go } = scene();
    wait();
    const run = await start([shop, 'Do it.']);
    await until(() => / text$/m.test(run.told()), { what: 'the example to see what the agent says', timeoutMs: 30_000 });
    await daemon.kill();
    await daemon.start();
    go();
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const sequences = [...stderr.matchAll(/^(\d+) /gm)].map(([, sequence]) => Number(sequence));
    expect(sequences.length).toBeGreaterThan(8);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    expect(stderr).toMatch(/ completed\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'OUTCOME_SUCCESS', task_id: /^[\da-f-]{36}$/m.exec(stderr)?.[0] });
  });

  test.skipIf(isShort)('cancels a task that takes longer than it may', async () => {
    const { aSecond } = await example();
    const { code, stdout, stderr } = await (await start([scene().shop, 'Never end.', aSecond])).ended;
    expect(code, stderr).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'OUTCOME_FAILURE', failure: { reason: 'FAILURE_REASON_CANCELLED' } });
  });

  test('says that its token is not the right one', async () => {
    const environment = { SINGLETREE_ADDRESS: scene().tcp(), SINGLETREE_TOKEN: `st_${'A'.repeat(43)}` };
    const { code, stderr } = await (await start([scene().shop, 'Do it.'], environment)).ended;
    expect(stderr).toMatch(/^TOKEN_INVALID: /);
    expect(code).toBe(2);
  });

  test('says why a call was refused, over TCP with the token that it finds by itself', async () => {
    const none = join(scene().home, 'none');
    const { code, stdout, stderr } = await (await start([none, 'Do it.'], { SINGLETREE_ADDRESS: scene().tcp() })).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^WORKSPACE_NOT_FOUND: /);
    expect(stderr).toContain(`\n  path: ${none}\n`);
  });
}
