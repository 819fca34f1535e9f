import type { FakeScript, FakeStep } from '@singletree/testing';
import type { TaskWish } from '../support/history-recorder.ts';

/** From 0 to below 1, by a seed. */
export type Random = () => number;

/** All that is left to chance in a run, drawn before it begins, so that a seed repeats it as far as a machine can. */
export interface Plan {
  readonly tasks: readonly PlannedTask[];
  readonly kills: readonly Kill[];
}

export interface PlannedTask {
  readonly kind: Kind;
  /** One try whose answer may be lost for good, tries under one request id until there is one, or the same call twice at once. */
  readonly create: 'once' | 'for sure' | 'twice';
  /** Stopped when a watcher has seen so many events. */
  readonly stop?: { readonly kind: 'cancel' | 'terminate'; readonly afterEvents: number };
  /** A second watcher begins in the middle. */
  readonly secondWatch?: number;
}

/** When the daemon dies: where its program is, or how far the tasks are since its start. */
export type Kill = { readonly failpoint: string } | { readonly events: number } | { readonly starts: number };

const kinds = ['plain', 'slow', 'rework', 'crashing', 'children', 'talkative', 'idle', 'setup'] as const;
type Kind = (typeof kinds)[number];

const processPlaces = ['prepare.before', 'prepare.after', 'spawn.before', 'spawn.after', 'frame.middle', 'frame.after'];
const outboxPlaces = ['freeze.before', 'freeze.after', 'send.before', 'send.after', 'delivered.before', 'delivered.after'];

export function planOf(random: Random, kills: number, tasks: number): Plan {
  const below = (count: number): number => Math.floor(random() * count);
  const oneOf = <T>(...list: readonly T[]): T => list[below(list.length)]!;
  const kill = (): Kill => {
    switch (below(8)) {
      case 0:
      case 1:
        return { failpoint: `store.commit.${oneOf('before', 'after')}=kill@${1 + below(40)}` };
      case 2:
      case 3:
        return { failpoint: `supervision.${oneOf(...processPlaces)}=kill@${1 + below(3)}` };
      case 4:
        return { failpoint: `outbox.${oneOf(...outboxPlaces)}=kill` };
      case 5:
        return { starts: 1 + below(6) };
      default:
        return { events: 1 + below(80) };
    }
  };
  return {
    tasks: Array.from({ length: tasks }, () => ({
      kind: oneOf(...kinds),
      create: oneOf('for sure', 'for sure', 'twice', 'once'),
      ...(below(5) === 0 ? { stop: { kind: oneOf('cancel', 'cancel', 'terminate'), afterEvents: 1 + below(20) } } : {}),
      ...(below(3) === 0 ? { secondWatch: below(15) } : {}),
    })),
    kills: Array.from({ length: kills }, kill),
  };
}

/** What the agent does for each kind, and what is asked for. `start` is the step, `command` the command by which a process tells of its start. */
export function scriptOf(start: FakeStep): FakeScript {
  const fix: FakeStep = { write: { path: 'a.txt', content: 'after\n' } };
  const call: FakeStep = { call: { input: 10, output: 5 } };
  const scripts: Readonly<Record<Kind, readonly FakeStep[]>> = {
    plain: [start, call, { sleep: 100 }, fix, { say: 'Done.' }],
    slow: [start, call, { sleep: 300 }, { say: 'Still here.' }, { sleep: 300 }, fix, { say: 'Done.' }],
    rework: [start, call, { say: 'Fixed, all tests pass.' }],
    crashing: [start, call, { sleep: 100 }, { exit: 3 }],
    children: [start, { spawn: { ignoreSignals: true } }, { spawn: { seconds: 200 } }, fix, { say: 'Done.' }],
    talkative: [start, { bytes: 20_000 }, call, { sleep: 100 }, { bytes: 6_000 }, fix, { say: 'Done.' }],
    idle: [start, { sleep: 200 }, { say: 'Nothing to do.' }],
    setup: [start, fix, call, { say: 'Done.' }],
  };
  const resumed: readonly FakeStep[] = [start, call, fix, { say: 'Now it is.' }];
  return {
    prompts: [
      { match: '^# (Not accepted|Go on)', script: resumed },
      ...kinds.map((kind) => ({ match: `^# Task: ${kind} `, script: scripts[kind] })),
    ],
  };
}

export function wishOf({ kind }: PlannedTask, index: number, workspace: string, command: string): TaskWish {
  const isJudged = kind === 'plain' || kind === 'rework';
  return {
    title: `${kind} ${index}`,
    workspace,
    maxAttempts: 3,
    gates: isJudged ? [{ name: 'test', command: `${command}; grep -q after a.txt` }] : [],
    setup: kind === 'setup' ? [command] : [],
  };
}

/** Attempts of each kind that start, if nothing but the daemon dies and nobody stops it. */
export function attemptsOf(title: string): number {
  return /^(rework|crashing) /.test(title) ? 2 : 1;
}
