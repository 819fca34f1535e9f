import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { repository, temporaryFolder, until, type FakeScript } from '@singletree/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestDaemon } from './daemon.ts';

/** How an example is started; its arguments are a workspace, the instructions, and after how long it cancels the task. */
export interface Example {
  readonly command: readonly [file: string, ...args: string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** One second, as the example writes it. */
  readonly aSecond: string;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What each of the programs in examples/ does, in whatever language, told nothing but where the state folder is. */
export function exampleTests(made: () => Example | Promise<Example>): void {
  let example: Example;
  const stack = new AsyncDisposableStack();
  let [workspace, folder] = ['', ''];
  let daemon: TestDaemon;

  beforeAll(async () => {
    example = await made();
    folder = stack.use(await temporaryFolder()).path;
    workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
    daemon = stack.use(new TestDaemon({ folder, configuration: { listen: { socket: true, tcp: '127.0.0.1:0' } } }));
    const script: FakeScript = {
      prompts: [
        { match: 'Never end', script: [{ say: 'It begins.' }, { hang: true }] },
        { match: '', script: [{ say: 'one' }, { waitFor: join(folder, 'go') }, { say: 'two' }] },
      ],
    };
    daemon.follow(script);
    await daemon.start();
  });
  afterAll(() => stack.disposeAsync());

  function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): { told(): string; ended: Promise<Ended> } {
    const [file, ...first] = example.command;
    const env = { PATH: process.env['PATH'], HOME: daemon.home, SINGLETREE_STATE: daemon.state, ...example.environment, ...environment };
    const child = spawn(file, [...first, ...args], { env });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
    const closed = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    const ended = Promise.all([text(child.stdout), closed]).then(([stdout, code]) => ({ code, stdout, stderr }));
    return { told: () => stderr, ended };
  }

  test('follows a task across the death of its daemon, and gives the completion event', async () => {
    const run = start([workspace, 'Do it.']);
    await until(() => / text$/m.test(run.told()), { what: 'the example to see what the agent says', timeoutMs: 30_000 });
    await daemon.kill();
    await daemon.start();
    writeFileSync(join(folder, 'go'), '');
    const { code, stdout, stderr } = await run.ended;
    expect(code, stderr).toBe(0);
    const sequences = [...stderr.matchAll(/^(\d+) /gm)].map(([, sequence]) => Number(sequence));
    expect(sequences.length).toBeGreaterThan(8);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    expect(stderr).toMatch(/ completed\n$/);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'OUTCOME_SUCCESS', task_id: /^[\da-f-]{36}$/m.exec(stderr)?.[0] });
  });

  test('cancels a task that takes longer than it may', async () => {
    const { code, stdout, stderr } = await start([workspace, 'Never end.', example.aSecond]).ended;
    expect(code, stderr).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'OUTCOME_FAILURE', failure: { reason: 'FAILURE_REASON_CANCELLED' } });
  });

  test('says that its token is not the right one', async () => {
    const environment = { SINGLETREE_ADDRESS: tcpOf(daemon), SINGLETREE_TOKEN: `st_${'A'.repeat(43)}` };
    const { code, stderr } = await start([workspace, 'Do it.'], environment).ended;
    expect(stderr).toMatch(/^TOKEN_INVALID: /);
    expect(code).toBe(2);
  });

  test('says why a call was refused, over TCP with the token that it finds by itself', async () => {
    const none = join(folder, 'none');
    const { code, stdout, stderr } = await start([none, 'Do it.'], { SINGLETREE_ADDRESS: tcpOf(daemon) }).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^WORKSPACE_NOT_FOUND: /);
    expect(stderr).toContain(`\n  path: ${none}\n`);
  });
}

function tcpOf(daemon: TestDaemon): string {
  const left = JSON.parse(readFileSync(join(daemon.state, 'address.json'), 'utf8')) as { readonly tcp?: string };
  if (left.tcp === undefined) throw new Error('the daemon has no TCP address');
  return left.tcp;
}
