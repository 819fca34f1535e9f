import { expect, test } from 'vitest';
import { gateToRun, next, setupToRun } from './next.ts';
import {
  aGate,
  after,
  claim,
  created,
  errored,
  exited,
  failed,
  openWorkspace,
  passed,
  reconciled,
  running,
  runningAgain,
} from './samples.testsuite.ts';
import { situations } from './situations.testsuite.ts';

/** The step that each situation asks for, by hand. A wait without a time ends only by a command. */
const expected = `
  created                   wait until created
  created, backing off      wait until due
  assigned                  prepare
  assigned, workspace       prepare
  assigned, setup open      prepare
  assigned, setup stopping  prepare
  assigned, setup passed    prepare
  assigned, base            prepare
  running, not owned        follow
  running                   follow
  running, stopping         follow
  running, ended            reconcile
  running, ended, stop      reconcile
  running, lost             reconcile
  review                    judge
  review, gate open         judge
  review, gate stopping     judge
  review, green             judge
  review, optional red      judge
  review, red               judge
  review, errored           judge
  review, no lease          judge
  blocked                   wait
  blocked in review         wait
  completed                 none
  failed                    none
  cancelled                 none
`;

const steps = new Map(
  expected
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/) as [string, string]),
);

test.each(Object.entries(situations))('%s', (name, task) => {
  const step = next(task);
  const until = step.kind === 'wait' ? step.until : undefined;
  const when = until === undefined ? '' : { [task.createdAt]: ' until created', [task.notBefore ?? -1]: ' until due' }[until];
  expect(step.kind + when).toBe(steps.get(name));
});

test('a task that is blocked until a time waits for it', () => {
  const task = after(created(), { kind: 'block', reason: 'quota_exhausted', message: 'none left', until: 77 });
  expect(next(task)).toEqual({ kind: 'wait', until: 77 });
});

test('setup commands run in their order, each until it has passed', () => {
  const task = after(created({ setup: ['a', 'b'] }), claim, openWorkspace);
  const run = (ordinal: number, code: number) =>
    after(
      { ...task, processes: [] },
      { kind: 'open_process', role: 'setup', ordinal, directory: `s${ordinal}` },
      exited(`s${ordinal}`, { code }),
    );
  expect(setupToRun(task)).toEqual({ command: 'a', ordinal: 0 });
  expect(setupToRun(run(0, 0))).toEqual({ command: 'b', ordinal: 1 });
  expect(setupToRun(run(0, 1))).toEqual({ command: 'a', ordinal: 0 });
  expect(setupToRun(created())).toBeUndefined();
});

test('gates run in their order, each once per attempt, whatever they find', () => {
  const gates = [aGate('test'), aGate('lint')];
  const first = after(created({ gates }), ...running, exited(), reconciled());
  expect(gateToRun(first)).toEqual({ gate: gates[0], ordinal: 0 });
  expect(gateToRun(after(first, failed))).toEqual({ gate: gates[1], ordinal: 1 });
  expect(gateToRun(after(first, failed, passed))).toBeUndefined();
  expect(gateToRun(after(first, errored))).toEqual({ gate: gates[1], ordinal: 1 });
  const second = after(first, failed, passed, { kind: 'judged' }, ...runningAgain(2), exited('harness-2'), reconciled());
  expect(gateToRun(second)).toEqual({ gate: gates[0], ordinal: 0 });
});
