import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FailureReason } from '@singletree/protocol';
import type { CreateTask, RetryRuleInput, Singletree, Task } from '@singletree/sdk';
import { repository, temporaryFolder, until, type FakeStep } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aTask, finished, TestDaemon } from './support/daemon.ts';
import { forgeEnding } from './support/forged.ts';
import { eventsOf, expectPromisesKept } from './support/promises.ts';

/**
 * Every failure reason, produced by an agent or by what is done to it, against a real daemon: what follows the attempt, what it is charged, how the task
 * turns out, and what its message says. One daemon works on all tasks at once; the agent knows by a task's title what to do.
 */

type Reason = NonNullable<Task['failure']>['reason'];
const reasons = Object.keys(FailureReason)
  .filter((name) => Number.isNaN(Number(name)) && name !== 'UNSPECIFIED')
  .map((name) => name.toLowerCase() as Reason);

/** By hand. `follows`: what the retry table makes of the attempt; `session`: how the next one begins. */
const expected = `
  reason                 follows  charged  session  state      outcome  message
  harness_missing        nothing  -        -        failed     failure  Codex CLI: /nowhere/codex was not found: npm install
  unauthenticated        block    no       resumed  failed     failure  the token is no good; log in to the harness, or give it a key
  rate_limited           retry    no       resumed  failed     failure  429, come back later
  quota_exhausted        block    no       resumed  failed     failure  no credit left
  transient_api_error    retry    yes      resumed  failed     failure  529 overloaded
  context_exhausted      retry    yes      fresh    failed     failure  the context is full; give the task less context, or split it
  stalled                retry    yes      resumed  failed     failure  fake wrote nothing for 0.4 s; if it is only slow, raise the limit stall
  no_first_output        retry    yes      fresh    failed     failure  fake wrote nothing within 2 s; if its model is only slow, raise the limit first_output
  attempt_timeout        retry    yes      resumed  failed     timeout  the attempt took longer than 2.5 s; raise the limit attempt_timeout, or split the task
  timeout                nothing  yes      -        failed     timeout  the task used up its 0.7 s; raise the limit timeout, or split the task
  turn_limit             nothing  yes      -        failed     partial  the task used up its 2 model calls; raise the limit max_turns, or split the task
  cost_limit             nothing  yes      -        failed     partial  the budget is used up
  output_limit           nothing  yes      -        failed     failure  the harness wrote more than 100000 bytes; raise the limit max_output
  disk_full              retry    no       -        failed     failure  less than \\d+ bytes were free on a disk that fake writes to; free some space, or lower the limit min_free_disk
  gate_failed            rework   yes      resumed  failed     partial  gate test failed: \\S
  gate_could_not_run     nothing  yes      -        failed     failure  gate test could not run; \\S
  setup_failed           nothing  -        -        failed     failure  setup command "exit 3": exit code 3
  no_change_made         retry    yes      resumed  failed     failure  a debugging task needs a change, and the workspace is as it was
  no_progress            nothing  yes      -        failed     failure  the same call gave the same result 6 times in a row: Bash true; its log shows where; say in the instructions what it should do instead
  permission_denied      nothing  yes      -        failed     failure  Bash is not allowed; give the task more permissions, or other instructions
  harness_failed         retry    yes      resumed  failed     failure  fake exited with code 0 but without its final result
  harness_crashed        retry    yes      resumed  failed     failure  fake was ended by SIGSEGV
  harness_never_ended    retry    yes      resumed  failed     failure  fake gave its final result but did not end, and was stopped
  decoder_failed         nothing  yes      -        failed     failure  .*boom; look for another version of its plugin; the log is kept
  cancelled              nothing  yes      -        cancelled  failure  cancelled by ada: enough
  terminated             nothing  yes      -        cancelled  failure  terminated by ada: enough
  killed                 nothing  yes      -        failed     failure  killed by ada: enough
  lost                   retry    no       resumed  failed     failure  the process and its shim died without an ending
  invalid_configuration  nothing  yes      -        failed     failure  no such model
  workspace_gone         nothing  yes      -        failed     failure  the workspace \\S+ is gone
  workspace_unfreezable  nothing  yes      -        failed     failure  git .* fatal: \\S
  internal               nothing  yes      -        failed     failure  the task could not be driven on: \\S
`;

/** In tests of their own below, with a daemon that dies; and one that nothing leads to: there is no limit on tokens yet. */
const elsewhere: readonly Reason[] = ['out_of_memory', 'unsupervised', 'token_limit'];

const rows = expected
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => /^ {2}(\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(.+)$/.exec(line) ?? [])
  .map(([, reason = '', follows = '', charged = '', session = '', state = '', outcome = '', message = '']) => {
    return { reason: reason as Reason, follows, charged, session, state, outcome, message: new RegExp(`^${message}`, 's') };
  });

const followed = rows.filter(({ follows, session }) => follows !== 'nothing' && session !== '-');
/** Of which not all that was said is recorded, on purpose. */
const unread: readonly Reason[] = ['output_limit', 'decoder_failed', 'internal'];

test('every reason has its row', () => {
  expect([...rows.map(({ reason }) => reason), ...elsewhere].toSorted()).toEqual(reasons.toSorted());
});

const stack = new AsyncDisposableStack();
let [folder, workspace] = ['', ''];
let daemon: TestDaemon;
let client: Singletree;
let endedWithoutDaemon: Promise<ReadonlyMap<Reason, Task>>;
/** When the provider's limits end that the agent tells of. */
const resetsAtMs = Date.now() + 6_000;

const inFolder = (name: string): string => join(folder, name);
const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
const call: FakeStep = { call: { input: 10, output: 5 } };
const hang: FakeStep = { hang: true };
const says = (reason: string, message: string): FakeStep[] => [call, { result: { failed: true, reason, message } }];
const limited: FakeStep = { rateLimit: { resetsAtMs } };

/** What produces a reason: the agent's script, what is particular about the task, what is done to it while it runs. */
interface Fault {
  readonly script?: readonly FakeStep[];
  readonly task?: Partial<CreateTask>;
  readonly meanwhile?: (id: string) => Promise<unknown>;
}

const stop = { by: 'ada', why: 'enough' };
const atItsPost = (title: string): FakeStep[] => [call, { mark: inFolder(title) }, hang];
const isAtItsPost = (title: string): Promise<unknown> =>
  until(() => existsSync(inFolder(title)), { what: `"${title}"`, timeoutMs: 60_000 });

/**
 * The limits of one attempt hold for the one that goes on, too: it has to be started and to end within them on a busy machine.
 *
 * @param title of the task that has it
 */
const faults = (title: string): Readonly<Partial<Record<Reason, Fault>>> => ({
  harness_missing: { task: { harness: 'codex' } },
  unauthenticated: { script: says('unauthenticated', 'the token is no good') },
  rate_limited: { script: [limited, ...says('rate_limited', '429, come back later')] },
  quota_exhausted: { script: [limited, ...says('quota_exhausted', 'no credit left')] },
  transient_api_error: { script: says('transient_api_error', '529 overloaded') },
  context_exhausted: { script: says('context_exhausted', 'the context is full') },
  stalled: { script: [call, hang], task: { limits: { stallMs: 400 } } },
  no_first_output: { script: [{ silent: true }, hang], task: { limits: { firstOutputMs: 2_000 } } },
  attempt_timeout: { script: [call, hang], task: { limits: { attemptTimeoutMs: 2_500 } } },
  timeout: { script: [call, hang], task: { limits: { timeoutMs: 700 } } },
  turn_limit: { script: [fix, call, call, call, hang], task: { limits: { maxTurns: 2 } } },
  cost_limit: { script: [fix, ...says('cost_limit', 'the budget is used up')] },
  output_limit: { script: [{ bytes: 2 ** 20 }, hang], task: { limits: { maxOutputBytes: 100_000 } } },
  disk_full: { script: [call, hang], task: { limits: { minFreeDiskBytes: 2 ** 52 } } },
  gate_failed: {
    script: [call, fix, { say: 'Done.' }],
    task: { gates: [{ name: 'test', command: 'grep -x again a.txt || { echo red; false; }' }] },
  },
  gate_could_not_run: { script: [fix], task: { gates: [{ name: 'test', command: 'no-such-program' }] } },
  setup_failed: { task: { setup: ['exit 3'] } },
  no_change_made: { script: [call, { say: 'Done.' }], task: { taskType: 'debugging' } },
  no_progress: { script: [{ repeat: { times: 8, steps: [call, { run: 'true' }] } }, hang] },
  permission_denied: { script: says('permission_denied', 'Bash is not allowed') },
  harness_failed: { script: [call, { exit: 0 }] },
  harness_crashed: { script: [call, { kill: 'SIGSEGV' }] },
  harness_never_ended: { script: [call, { result: 'success' }, hang] },
  decoder_failed: { script: [call, hang], task: { harness: 'fails_to_decode' } },
  cancelled: { script: atItsPost(title), meanwhile: (id) => client.tasks.cancel(id, stop) },
  terminated: { script: atItsPost(title), meanwhile: (id) => client.tasks.terminate(id, stop) },
  killed: {
    script: atItsPost(title),
    task: { labels: { kill: 'me' } },
    meanwhile: () => client.killSwitch.engage('label=kill=me', stop),
  },
  lost: { script: atItsPost(title), meanwhile: async (id) => process.kill(shimOf(daemon, id), 'SIGKILL') },
  invalid_configuration: { script: says('invalid_configuration', 'no such model') },
  workspace_gone: { script: [call, { run: 'rm -rf "$PWD"' }] },
  workspace_unfreezable: { script: [fix, { run: 'echo garbage > "$(git rev-parse --absolute-git-dir)/HEAD"' }] },
  // The directories of the attempt after this one cannot be made, and nobody knows why.
  internal: {
    script: [call, { exit: 3 }],
    task: { retry: [{ reason: 'harness_failed', backoffInitialMs: 2_000, jitter: 0 }] },
    async meanwhile(id) {
      const isWaiting = async () => (await client.tasks.get(id)).waiting?.waitingFor === 'backoff';
      await until(isWaiting, { what: 'the wait before the next attempt', timeoutMs: 60_000, everyMs: 100 });
      rmSync(join(daemon.state, 'processes', id), { recursive: true });
      writeFileSync(join(daemon.state, 'processes', id), '');
    },
  },
});

/** A session that goes on is told so, and does its work then. */
const mended: FakeStep = { write: { path: 'a.txt', content: 'again\n' } };
const again = { match: '^# (Not accepted|Go on)', script: [{ call: { input: 20, output: 7 } }, mended, { say: 'Now it is.' }] };

beforeAll(async () => {
  folder = stack.use(await temporaryFolder()).path;
  workspace = stack.use(await repository({ files: { 'a.txt': 'before\n' } })).path;
  const script = inFolder('script.json');
  const plugin = inFolder('fails-to-decode.mjs');
  const fake = JSON.stringify(import.meta.resolve('@singletree/testing/fake-harness'));
  const decoder = `decoder() { throw new Error('boom'); }`;
  writeFileSync(plugin, `import fake from ${fake};\nexport default { ...fake, harnessId: 'fails_to_decode', ${decoder} };`);
  const harnesses = { codex: { executable: '/nowhere/codex' }, fails_to_decode: { plugin, options: { script } } };
  const watchdogs = { same_call: { stop: 6 }, end_grace: '300ms' };
  daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 10 }, watchdogs, harnesses } }));
  daemon.follow({
    prompts: [
      again,
      ...rows.flatMap(({ reason }) => [
        // A fresh session is told the whole task again, so this script has two runs.
        { match: `^# Task: ${reason} goes on\n`, script: { runs: [faults(`${reason} goes on`)[reason]?.script ?? [], again.script] } },
        { match: `^# Task: ${reason} ends\n`, script: faults(`${reason} ends`)[reason]?.script ?? [] },
      ]),
    ],
  });
  client = await daemon.start();
  endedWithoutDaemon = endWithoutDaemon();
  endedWithoutDaemon.catch(() => undefined); // the tests that wait for it tell
  // The longest first.
  for (const { reason, follows } of rows.toSorted(({ reason }) => (reason === 'internal' ? -1 : 0)))
    begin(`${reason} ends`, reason, follows === 'nothing' ? [] : [ruleFor(reason, 0)]);
  for (const { reason } of followed) begin(`${reason} goes on`, reason, [ruleFor(reason, 1)]);
});
afterAll(() => stack.disposeAsync());

/** Short waits, and as many retries as the test has in mind. */
const ruleFor = (reason: Reason, maxRetries: number): RetryRuleInput => ({ reason, backoffInitialMs: 20, backoffFactor: 1, maxRetries });

const tasks = new Map<string, Promise<Task>>();

/** All at once: each test only looks at what became of its own. */
function begin(title: string, reason: Reason, rules: readonly RetryRuleInput[]): void {
  const { task, meanwhile } = faults(title)[reason] ?? {};
  const bring = async (): Promise<Task> => {
    const { id } = await client.tasks.create(aTask(workspace, { title, ...task, retry: [...(task?.retry ?? []), ...rules] }));
    if (reason !== 'internal' && meanwhile) await isAtItsPost(title);
    await meanwhile?.(id);
    for await (const event of client.tasks.watch(id)) if (event.kind === 'completed') break;
    return await client.tasks.get(id);
  };
  const end = bring();
  end.catch(() => undefined); // the test that waits for it tells
  tasks.set(title, end);
}

async function endOf(title: string): Promise<Task> {
  const end = await tasks.get(title);
  if (!end) throw new Error(`nobody began ${title}`);
  return end;
}

describe('an attempt that ends for a reason', () => {
  test.each(rows)('$reason ends its task: $state, $outcome', async ({ reason, charged, state, outcome, message }) => {
    const task = await endOf(`${reason} ends`);
    expect(task).toMatchObject({
      state,
      failure: { reason, message: expect.stringMatching(message) as string },
      completion: { outcome, failure: { reason }, ...(outcome === 'partial' ? { filesChanged: 1 } : {}) },
    });
    const started = task.attempts.filter(({ startedAt }) => startedAt !== undefined);
    expect(started).toHaveLength(charged === '-' ? 0 : 1);
    if (charged !== '-') expect(started[0]).toMatchObject({ charged: charged === 'yes' });
    await expectPromisesKept(client, task, daemon.state, { isRead: !unread.includes(reason) });
  });

  test.each(followed)(
    '$reason is followed by another: $follows, charged: $charged, $session',
    async ({ reason, follows, charged, session }) => {
      const task = await endOf(`${reason} goes on`);
      expect(task).toMatchObject({
        state: 'completed',
        attempts: [
          { failure: { reason }, charged: charged === 'yes' },
          { resumed: session === 'resumed', charged: true },
        ],
        completion: { retryCount: 1, retriesByCause: { [reason]: 1 }, contextRotations: session === 'resumed' ? 0 : 1 },
      });
      // What was used up to its end is kept.
      const isTold = !['stalled', 'no_first_output', 'attempt_timeout'].includes(reason);
      if (isTold) expect(task.completion?.actualInputTokens).toBeGreaterThanOrEqual(30);
      const edges = (await eventsOf(client, task.id)).flatMap((event) =>
        event.kind === 'state_changed' && event.stateChanged.reason === reason ? [event.stateChanged.edge] : [],
      );
      expect(edges).toEqual([follows]);
      if (reason === 'rate_limited' || reason === 'quota_exhausted')
        expect(task.attempts[1]?.preparedAt?.getTime()).toBeGreaterThanOrEqual(resetsAtMs);
      await expectPromisesKept(client, task, daemon.state);
    },
  );
});

/** Attempts that come to their end while no daemon is there, and what the next daemon makes of them. */
async function endWithoutDaemon(): Promise<ReadonlyMap<Reason, Task>> {
  const own = stack.use(await temporaryFolder()).path;
  const second = stack.use(new TestDaemon({ folder: own, configuration: { supervision: { unsupervised_limit: '1500ms' } } }));
  const post = (name: string) => ({ match: `^# Task: ${name}\n`, script: [call, { mark: join(own, name) }, hang] });
  second.follow({ prompts: [again, post('unsupervised'), post('out_of_memory')] });
  const before = await second.start();
  const begun = async (reason: Reason, more: Partial<CreateTask>): Promise<string> => {
    const { id } = await before.tasks.create(aTask(workspace, { title: reason, retry: [ruleFor(reason, 1)], ...more }));
    await until(() => existsSync(join(own, reason)), { what: `"${reason}"`, timeoutMs: 60_000 });
    return join(second.state, 'processes', id, '1', 'harness-0-1');
  };
  // A limit that needs the daemon makes the process one that must not run on without it.
  const directories = [await begun('unsupervised', { limits: { maxTurns: 50 } }), await begun('out_of_memory', {})] as const;
  await second.kill();
  // Only a cgroup tells that the kernel did it, and few machines have one to spare.
  await forgeEnding(directories[1], { signal: 'SIGKILL', outOfMemory: true });
  await until(() => existsSync(join(directories[0], 'exit.json')), { what: 'the shim to end its agent', timeoutMs: 60_000 });
  const after = await second.start();
  const ends = new Map<Reason, Task>();
  for await (const { id, title } of after.tasks.list()) {
    const task = await finished(after, id, 60_000);
    await expectPromisesKept(after, task, second.state);
    ends.set(title as Reason, task);
  }
  return ends;
}

describe('an attempt that ends while no daemon is there', () => {
  test.each([
    [
      'unsupervised',
      false,
      /^no daemon was there to hold fake to its limits; keep a daemon running, or raise supervision.unsupervised_limit$/,
    ],
    [
      'out_of_memory',
      true,
      /^fake was ended by the kernel, which had no memory left for it.*; let fewer tasks run at once, or give the machine more memory$/,
    ],
  ] as const)('%s: another follows, charged: %s', async (reason, charged, message) => {
    expect((await endedWithoutDaemon).get(reason)).toMatchObject({
      state: 'completed',
      attempts: [
        { failure: { reason, message: expect.stringMatching(message) as string }, charged },
        { resumed: true, charged: true },
      ],
      completion: { outcome: 'success', retriesByCause: { [reason]: 1 }, actualInputTokens: 30 },
    });
  });
});

interface Identity {
  readonly pid: number;
}

function shimOf({ state }: TestDaemon, id: string): number {
  return (JSON.parse(readFileSync(join(state, 'processes', id, '1', 'harness-0-1', 'owner'), 'utf8')) as Identity).pid;
}
