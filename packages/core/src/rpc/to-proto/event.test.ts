import { toJson } from '@bufbuild/protobuf';
import { SandboxLevel, TaskEdge, TaskEventSchema } from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import type { Command } from '../../task/commands.ts';
import type { CompletionEvent } from '../../task/completion.ts';
import { decide } from '../../task/decide.ts';
import { isRefusal } from '../../task/change.ts';
import type { TaskEvent } from '../../task/events.ts';
import {
  aGate,
  claim,
  created,
  died,
  exited,
  gate,
  noon,
  openWorkspace,
  owned,
  reconciled,
  runningAgain,
  setBase,
  silent,
  start,
  stop,
} from '../../task/samples.testsuite.ts';
import type { Task } from '../../task/task.ts';
import { eventToProto } from './event.ts';

/** A task's whole life: its end, and every event on the way. */
function life(
  task: Task,
  ...commands: readonly (Command | ((now: Task) => readonly Command[]))[]
): { task: Task; events: TaskEvent[]; completion: CompletionEvent | undefined } {
  const events: TaskEvent[] = [{ sequence: 1, at: task.createdAt, body: { kind: 'created' } }];
  let now = task;
  let completion: CompletionEvent | undefined;
  for (const each of commands) {
    for (const command of typeof each === 'function' ? each(now) : [each]) {
      const decision = decide(now, command, Math.max(now.updatedAt + 1_000, now.notBefore ?? 0));
      if (isRefusal(decision)) throw new Error(decision.message);
      now = decision.task;
      events.push(...decision.events);
      completion = decision.completion;
    }
  }
  return { task: now, events, completion };
}

const limits = { timeoutMs: 60_000, maxOutputBytes: 1_000, maxAttempts: 9 };
const { task, events, completion } = life(
  created({ title: 'Fix it', setup: ['npm ci'], gates: [aGate('test')], model: 'opus', limits }),
  claim,
  { kind: 'release', message: 'busy', notBefore: noon },
  claim,
  openWorkspace,
  { kind: 'open_process', role: 'setup', ordinal: 0, directory: 's' },
  exited('s'),
  setBase,
  start(),
  owned(),
  { kind: 'take_over', owner: 'daemon-2' },
  {
    kind: 'record',
    attempt: 2,
    source: 'stdout',
    from: 0,
    to: 9,
    events: [{ kind: 'warning', source: 'stdout', endsAt: 9, message: 'careful' } as never],
  },
  died(),
  silent(),
  ...runningAgain(3),
  exited('harness-3', { code: 1 }),
  silent(),
  ...runningAgain(4),
  exited('harness-4', { code: 0 }),
  reconciled({
    correction: { corrected: { outputTokens: 0, provenance: 'recovered', lowerBound: true }, callsTold: 1, callsFound: 2 },
  }),
  (now) => gate(now, 'failed', { message: 'red' }),
  { kind: 'judged' },
  ...runningAgain(5),
  stop('cancel', 'anna', 'enough'),
  stop('kill', 'bert'),
  exited('harness-5', { code: null, signal: 'SIGKILL', stop: 'cancel' }),
  silent(),
);
const sent = events.map((event) => eventToProto(event, { task, traceId: 't', completion }));

describe('every event of a life', () => {
  test('has its words on the wire', () => {
    expect(new Set(events.map(({ body }) => body.kind)).size).toBe(18);
    expect(sent.filter(({ kind }) => kind.case === undefined)).toEqual([]);
    for (const event of sent) expect(toJson(TaskEventSchema, event)).toMatchObject({ taskId: task.id });
  });

  test('comes in its order, with its time and its attempt', () => {
    expect(sent.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(sent.map(({ at }) => Number(at?.seconds) * 1_000)).toEqual(events.map(({ at }) => at));
    expect(sent.find(({ kind }) => kind.case === 'gateFinished')?.attempt).toBe(4);
  });

  test.each([
    ['created', { title: 'Fix it' }],
    ['workspaceOpened', { path: '/w', baseCommit: 'h0' }],
    ['setupFinished', { command: 'npm ci', exitCode: 0, durationMs: 400n }],
    ['attemptStarted', { harness: 'claude_code', requestedModel: 'opus', resumed: false, pid: 4711 }],
    [
      'adopted',
      {
        readOnFrom: [
          { source: 'stdout', offset: 0n },
          { source: 'stderr', offset: 0n },
        ],
      },
    ],
    ['outputRecorded', { source: 'stdout', fromOffset: 0n, toOffset: 9n }],
    ['gateFinished', { name: 'test', message: 'red', exitCode: 1 }],
    ['usageCorrected', { corrected: { outputTokens: 0n, lowerBound: true }, callsTold: 1, callsFound: 2 }],
    ['frozen', { commit: 'c1', ref: 'refs/singletree/task/1', filesChanged: 1 }],
    ['completed', { taskId: task.id, traceId: 't', failure: { message: 'cancelled by anna: enough' } }],
  ])('says what happened: %s', (name, value) => {
    expect(sent.find(({ kind }) => kind.case === name)?.kind.value).toMatchObject(value);
  });

  test('says from when a task may be claimed again, where that is later', () => {
    const waits = sent.flatMap(({ at, kind }) =>
      kind.case === 'stateChanged' && kind.value.notBefore ? [[kind.value.edge, kind.value.notBefore.seconds >= (at?.seconds ?? 0n)]] : [],
    );
    // Lost attempts and rework wait for nothing, and the first release was to a time that is past.
    expect(waits).toEqual([[TaskEdge.RETRY, true]]);
  });

  test('says how the processes are contained', () => {
    const contained = events.map((event): TaskEvent =>
      event.body.kind === 'attempt_started' ? { ...event, body: { ...event.body, sandbox: 'cgroup' } } : event,
    );
    const levels = contained.flatMap((event) => {
      const { kind } = eventToProto(event, { task, traceId: 't', completion });
      return kind.case === 'attemptStarted' ? [kind.value.sandboxLevel] : [];
    });
    expect(new Set(levels)).toEqual(new Set([SandboxLevel.CGROUP]));
    expect(sent.find(({ kind }) => kind.case === 'attemptStarted')?.kind.value).not.toHaveProperty('sandboxLevel');
  });

  test('each wish to stop has its own time and person', () => {
    const wishes = sent.flatMap(({ at, kind }) =>
      kind.case === 'stopRequested' ? [{ by: kind.value.by, same: kind.value.at?.seconds === at?.seconds }] : [],
    );
    expect(wishes).toEqual([
      { by: 'anna', same: true },
      { by: 'bert', same: true },
    ]);
  });

  test('what the agent said is told with its place in the log', () => {
    const said = sent.find(({ log }) => log !== undefined);
    expect(said).toMatchObject({ log: { source: 'stdout', offset: 9n }, kind: { case: 'warning', value: { message: 'careful' } } });
  });
});
