import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateTask, Singletree, Task } from '@singletree/sdk';
import { repository, temporaryFolder, until, type FakeStep, type Repository } from '@singletree/testing';
import { expect } from 'vitest';
import { aTask, finished, TestDaemon, type DaemonFixture } from './daemon.ts';
import { mayMount, SmallDisk } from './faults-small-disk.ts';
import { expectNoProcessOf, expectPromisesKept } from './promises.ts';

/** A limit that a shim holds by itself, and an agent that runs into it. */
export interface LimitCase {
  /** What the task ends with. */
  readonly reason: NonNullable<Task['failure']>['reason'];
  /** What the shim writes down. */
  readonly stop: string;
  readonly task: Pick<CreateTask, 'limits' | 'retry'>;
  /** What the agent does at last. `go` is there once the test wants it so; `spoke` is marked just before the last word. */
  readonly steps: (go: string, spoke: string) => readonly FakeStep[];
  /** Absent where the limit is no time. */
  readonly limitMs?: number;
}

const hang: FakeStep = { hang: true };
const mebibyte = 1024 * 1024;
/** Of the disk that holds all state, where one can be mounted. */
const diskMebibytes = 64;

/** What an agent may write, and what it must leave. */
export const spaceLimits: readonly LimitCase[] = [
  {
    reason: 'output_limit',
    stop: 'output_limit',
    task: { limits: { maxOutputBytes: 100_000 } },
    steps: (go) => [{ waitFor: go }, { hugeLine: 200_000 }, hang],
  },
  ...(mayMount ? [diskFull()] : []),
];

function diskFull(): LimitCase {
  const flood: FakeStep = { repeat: { times: 'always', steps: [{ hugeLine: mebibyte / 2 }, { sleep: 100 }] } };
  return {
    reason: 'disk_full',
    stop: 'disk_full',
    task: { limits: { minFreeDiskBytes: 32 * mebibyte }, retry: [{ reason: 'disk_full', retry: false }] },
    steps: (go) => [{ waitFor: go }, flood],
  };
}

/** Those that are a time. */
export function timeLimits(limitMs: number): LimitCase[] {
  return [
    { reason: 'timeout', stop: 'timeout', task: { limits: { timeoutMs: limitMs } }, steps: () => [hang], limitMs },
    { reason: 'attempt_timeout', stop: 'attempt_timeout', task: { limits: { attemptTimeoutMs: limitMs } }, steps: () => [hang], limitMs },
    { reason: 'no_first_output', stop: 'first_output', task: { limits: { firstOutputMs: limitMs } }, steps: () => [hang], limitMs },
    {
      reason: 'stalled',
      stop: 'stall',
      task: { limits: { stallMs: limitMs } },
      steps: (go, spoke) => [{ waitFor: go }, { mark: spoke }, { say: 'A word.' }, hang],
      limitMs,
    },
  ];
}

/** From SIGINT to SIGTERM to SIGKILL, and how much later than that an ending may be. */
const latestMs = 10_000 + 2_000;
/** The kernel tells a process's start in hundredths of a second, and a file's time in its own ticks. */
const clockErrorMs = 30;

/** A daemon, and an agent at work for each limit. */
export class Limits implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly tasks = new Map<LimitCase, string>();
  readonly #folder: string;
  readonly #repo: Repository;
  #stack: AsyncDisposable | undefined;
  /** By the kernel's wall time, which no test shifts. */
  readonly #startedAt = new Map<LimitCase, number>();

  private constructor(daemon: TestDaemon, folder: string, repo: Repository) {
    this.daemon = daemon;
    this.#folder = folder;
    this.#repo = repo;
  }

  /** Starts all the agents, and waits until the daemon knows of them. */
  static async begin(cases: readonly LimitCase[], fixture: Omit<DaemonFixture, 'folder'> = {}): Promise<Limits> {
    // What was begun ends with a beginning that fails.
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
    if (mayMount) stack.use(new SmallDisk(join(folder, 'state'), diskMebibytes));
    // Their pids are the agents' own only where they are in no namespace.
    const configuration = { concurrency: { total: cases.length }, supervision: { containment: 'marker' }, ...fixture.configuration };
    const daemon = stack.use(new TestDaemon({ ...fixture, folder, configuration }));
    const limits = new Limits(daemon, folder, repo);
    await limits.#begin(cases);
    limits.#stack = stack.move();
    return limits;
  }

  async #begin(cases: readonly LimitCase[]): Promise<void> {
    this.daemon.follow({ prompts: cases.map((one) => ({ match: `<${one.reason}>`, script: this.#script(one) })) });
    const client = await this.daemon.start();
    for (const one of cases) {
      const { limits, ...rest } = one.task;
      const task = { instructions: `<${one.reason}>`, ...rest, limits: { minFreeDiskBytes: 0, maxAttempts: 1, ...limits } };
      this.tasks.set(one, (await client.tasks.create(aTask(this.#repo.path, task))).id);
    }
    for (const [one, id] of this.tasks) {
      const pid = () => readFileSync(this.#mark(one, 'begun'), 'utf8').trim();
      this.#startedAt.set(one, startOf(await until(pid, { what: `the agent for ${one.reason} to work`, timeoutMs: 60_000 })));
      const isStarted = async () => (await client.tasks.get(id)).attempts[0]?.state === 'started';
      await until(isStarted, { what: `the daemon to know of the agent for ${one.reason}`, timeoutMs: 60_000 });
    }
  }

  /** Nobody was told to end yet: whatever is done now, the shims do the rest under it. */
  expectAllAtWork(): void {
    for (const one of this.tasks.keys()) expect(existsSync(this.#mark(one, 'stopped')), `${one.reason} is over already`).toBe(false);
  }

  /** Lets those go on that wait for it. */
  go(): void {
    writeFileSync(join(this.#folder, 'go'), '');
  }

  /** Waits until every shim has written its ending: for the right cause, not before the limit, and not much after. */
  async expectEndings(): Promise<{ readonly endedAt: number }[]> {
    const endings: { readonly endedAt: number }[] = [];
    for (const [one, id] of this.tasks) {
      const file = join(this.daemon.state, 'processes', id, '1', 'harness-0-1', 'exit.json');
      await until(() => existsSync(file), { what: `the ending by ${one.reason}`, timeoutMs: 60_000, everyMs: 50 });
      const exit = JSON.parse(readFileSync(file, 'utf8'));
      expect(exit, one.reason).toMatchObject({ stop: { kind: one.stop, by: 'shim' }, survivors: [] });
      if (one.limitMs !== undefined) this.#expectInTime(one, one.limitMs);
      endings.push(exit);
    }
    return endings;
  }

  #expectInTime(one: LimitCase, limitMs: number): void {
    const stopped = this.#mark(one, 'stopped');
    expect(readFileSync(stopped, 'utf8').trimEnd().split('\n'), `${one.reason}: asked to end once`).toHaveLength(1);
    const spoke = this.#mark(one, 'spoke');
    const from = existsSync(spoke) ? statSync(spoke).mtimeMs : (this.#startedAt.get(one) ?? 0);
    const passed = statSync(stopped).mtimeMs - from;
    expect(passed, `${one.reason} is not early`).toBeGreaterThanOrEqual(limitMs - clockErrorMs);
    expect(passed, `${one.reason} is not late`).toBeLessThan(limitMs + latestMs);
  }

  /** Each task ends with its cause, which is told once, and what its agent made is kept. */
  async expectOutcomes(client: Singletree): Promise<Task[]> {
    const ended: Task[] = [];
    for (const [{ reason }, id] of this.tasks) {
      const task = await finished(client, id, 60_000);
      expect(task, `${reason}: ${task.failure?.message}`).toMatchObject({ state: 'failed', failure: { reason } });
      expect(task.attempts.map(({ failure }) => failure?.reason)).toEqual([reason]);
      // Of a log beyond its limit no more is recorded than that.
      await (reason === 'output_limit' ? expectNoProcessOf(id) : expectPromisesKept(client, task, this.daemon.state));
      expect(await this.#repo.git('show', `refs/singletree/${id}/1:kept.txt`)).toMatch(/^\d+\n$/);
      ended.push(task);
    }
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack?.[Symbol.asyncDispose]();
  }

  /** Writes nothing but what its case wants, so that silence is silence: its marks are files. */
  #script(one: LimitCase): readonly FakeStep[] {
    const onStop: readonly FakeStep[] = [{ mark: this.#mark(one, 'stopped') }, { exit: 0 }];
    return [
      { silent: true },
      { onSignal: { signal: 'SIGINT', steps: onStop } },
      { mark: 'kept.txt' },
      { mark: this.#mark(one, 'begun') },
      ...one.steps(join(this.#folder, 'go'), this.#mark(one, 'spoke')),
    ];
  }

  #mark({ reason }: LimitCase, moment: 'begun' | 'spoke' | 'stopped'): string {
    return join(this.#folder, `${reason}.${moment}`);
  }
}

/** When a living process was started, as wall time: the kernel counts hundredths of a second since the machine's start. */
function startOf(pid: string): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const upSeconds = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  return Date.now() - upSeconds * 1_000 + ticks * 10;
}
