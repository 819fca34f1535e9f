import { join } from 'node:path';
import { repository, seedOf, temporaryFolder, until, type FakeScript, type FakeStep } from '@singletree/testing';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { violationsOf } from '../support/checker.ts';
import { TestDaemon } from '../support/daemon.ts';
import { endOf, unfinished } from '../support/history-end.ts';
import { Recorder } from '../support/history-recorder.ts';

/** The model test once more, with a real daemon, real shims and real agents instead of thought ones. */
const runs = process.env['SINGLETREE_TEST_FULL'] === '1' ? 20 : 2;
const runLimitMs = 120_000;

const kinds = ['plain', 'rework', 'failing', 'blocked', 'endless'] as const;
const weights = { create: 6, cancel: 2, terminate: 1, engage: 1, release: 2, unblock: 2, crash: 3, restart: 4, progress: 6 };
const moveKinds = Object.keys(weights) as (keyof typeof weights)[];
const aMove = fc.record({
  kind: fc.oneof(...moveKinds.map((kind) => ({ weight: weights[kind], arbitrary: fc.constant(kind) }))),
  by: fc.nat(),
});
type Move = Readonly<typeof aMove extends fc.Arbitrary<infer T> ? T : never>;

test(`${runs} lives of a real daemon break no promise`, { timeout: runs * runLimitMs }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aMove, { minLength: 25, maxLength: 40, size: 'max' }), async (moves) => {
      expect(await violationsAfter(moves)).toEqual([]);
    }),
    // To make it smaller would take hours; the seed repeats it.
    { seed: seedOf('model of the daemon') | 0, numRuns: runs, endOnFailure: true },
  );
});

async function violationsAfter(moves: readonly Move[]): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const repo = stack.use(await repository({ files: { 'a.txt': 'before\n' } }));
  const daemon = stack.use(new TestDaemon({ folder, configuration: { concurrency: { total: 4 } } }));
  const recorder = new Recorder({ state: daemon.state, startsFile: join(folder, 'starts') });
  daemon.follow(scriptOf(recorder.startStep));
  await daemon.start();
  const life = new Life(daemon, recorder, repo.path);
  for (const move of moves) await life.play(move);
  await life.settle();
  const history = await endOf({ daemon, recorder, repository: repo, timeoutMs: runLimitMs / 2 });
  return violationsOf(history);
}

function scriptOf(start: FakeStep): FakeScript {
  const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
  const call: FakeStep = { call: { input: 10, output: 5 } };
  const scripts: Readonly<Record<(typeof kinds)[number], readonly FakeStep[]>> = {
    plain: [start, call, { sleep: 100 }, fix, { say: 'Done.' }],
    rework: [start, call, { say: 'Fixed, all tests pass.' }],
    failing: [start, call, fix, { exit: 3 }],
    blocked: [start, call, { result: { failed: true, reason: 'quota_exhausted' } }],
    endless: [start, call, fix, { hang: true }],
  };
  return {
    prompts: [
      { match: '^# (Not accepted|Go on)', script: [start, call, fix, { say: 'Now it is.' }] },
      ...kinds.map((kind) => ({ match: `^# Task: ${kind} `, script: scripts[kind] })),
    ],
  };
}

/** Clients of one daemon. What they ask for goes on beside what comes next, also while no daemon is there to hear it. */
class Life {
  readonly #daemon: TestDaemon;
  readonly #recorder: Recorder;
  readonly #workspace: string;
  readonly #ids: string[] = [];
  readonly #asked: Promise<unknown>[] = [];
  readonly #watching: Promise<void>[] = [];
  #made = 0;

  constructor(daemon: TestDaemon, recorder: Recorder, workspace: string) {
    this.#daemon = daemon;
    this.#recorder = recorder;
    this.#workspace = workspace;
  }

  async play({ kind, by }: Move): Promise<void> {
    const id = this.#ids[by % this.#ids.length];
    switch (kind) {
      case 'create':
        return this.#ask(this.#create(by));
      case 'cancel':
      case 'terminate':
        return id === undefined ? undefined : this.#ask(this.#recorder.stopForSure(kind, id));
      case 'engage':
        return this.#ask(this.#recorder.engage(`label=group=${by % 2}`));
      case 'release':
        return this.#ask(this.#recorder.release(`label=group=${by % 2}`));
      case 'unblock':
        return id === undefined ? undefined : this.#ask(this.#recorder.unblock(id));
      case 'crash':
        return await this.#daemon.kill();
      case 'restart':
        if (this.#daemon.hasEnded) await this.#daemon.start();
        return;
      case 'progress': {
        // Without a daemon, and where all wait, there is none.
        const seen = this.#recorder.seenEvents + (by % 12);
        const progress = until(() => this.#recorder.seenEvents > seen, { what: 'progress', timeoutMs: this.#daemon.hasEnded ? 100 : 700 });
        return void (await progress.catch(() => undefined));
      }
    }
  }

  /** Takes everything back that would keep a task waiting. */
  async settle(): Promise<void> {
    if (this.#daemon.hasEnded) await this.#daemon.start();
    // A switch that is thrown later would hold them for ever.
    await Promise.all(this.#asked);
    for (const group of [0, 1]) await this.#recorder.release(`label=group=${group}`);
    const { tasks } = this.#daemon.client();
    const open = async (): Promise<boolean> => {
      const page = await tasks.page({ states: unfinished });
      for (const task of page.tasks) {
        if (task.state === 'blocked') await this.#recorder.unblock(task.id);
        else if (task.title.startsWith('endless') && task.state === 'in_progress') await this.#recorder.stopForSure('cancel', task.id);
      }
      return page.tasks.length === 0;
    };
    await until(open, { what: 'the last task to end', timeoutMs: runLimitMs / 2, everyMs: 200 });
    await Promise.all(this.#watching);
  }

  async #create(by: number): Promise<void> {
    const kind = kinds[by % kinds.length];
    const number = (this.#made += 1);
    const requestId = `request-${number}`;
    const wish = {
      title: `${kind} ${number}`,
      workspace: this.#workspace,
      gates: [{ name: 'test', command: `${this.#recorder.startCommand}; grep -q after a.txt` }],
      labels: { group: String(by % 2) },
      maxAttempts: 3,
    };
    // Now and then the same call comes twice at once.
    const [id] = await Promise.all(Array.from({ length: 1 + (by % 3 === 0 ? 1 : 0) }, () => this.#recorder.createForSure(wish, requestId)));
    if (id === undefined) return;
    this.#ids.push(id);
    this.#watching.push(this.#recorder.watch(id));
  }

  #ask(call: Promise<unknown>): void {
    this.#asked.push(call);
  }
}
