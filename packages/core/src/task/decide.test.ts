import { describe, expect, test } from 'vitest';
import { isRefusal } from './change.ts';
import type { Command } from './commands.ts';
import { decide } from './decide.ts';
import { anExit, claim, died, exited, openWorkspace, owned, reconciled, setBase, silent, start, stop } from './samples.testsuite.ts';
import { block, cancel, firstGate, setup, situations } from './situations.testsuite.ts';
import { openProcess, type Task } from './task.ts';

type Aimed = Command | ((directory: string, task: Task) => Command);

/** Facts about a process are told of the task's own one: the open one, or else the last that was. */
const there = (task: Task): string => openProcess(task)?.directory ?? task.processes.at(-1)?.directory ?? 'nowhere';
const ends =
  (code: number, how: Parameters<typeof anExit>[0] = {}) =>
  (directory: string, task: Task): Command => {
    const process = openProcess(task);
    const verdict = code === 0 ? 'passed' : 'failed';
    const gate = { attempt: 1, ordinal: 0, name: 'test', kind: 'custom', required: true, verdict, startedAt: 0, endedAt: 1 } as const;
    return { kind: 'exited', directory, exit: anExit({ code, ...how }), ...(process?.role === 'gate' ? { gate } : {}) };
  };
const records = (attempt: number, from: number): Command => ({ kind: 'record', attempt, source: 'stdout', from, to: 10, events: [] });

const commands: Readonly<Record<string, Aimed>> = {
  cancel,
  terminate: stop('terminate'),
  kill: stop('kill'),
  unblock: { kind: 'unblock' },
  expire: (_, { since }) => ({ kind: 'expire', since }),
  'expire before': { kind: 'expire', since: 1 },
  claim,
  'take over': { kind: 'take_over', owner: 'daemon-2' },
  release: { kind: 'release', message: 'not now', notBefore: 0 },
  fail: { kind: 'fail', reason: 'harness_missing', message: 'not there' },
  block,
  workspace: openWorkspace,
  'setup 1': setup,
  'setup 2': { kind: 'open_process', role: 'setup', ordinal: 1, directory: 'setup-1-1' },
  base: setBase,
  start: start(),
  'gate 1': firstGate,
  'gate 2': { kind: 'open_process', role: 'gate', ordinal: 1, directory: 'gate-1-1' },
  judged: { kind: 'judged' },
  evidence: reconciled(),
  silence: silent(),
  owned: (directory) => owned(directory),
  'exit 0': ends(0),
  'exit 1': ends(1),
  timeout: ends(1, { stop: 'timeout' }),
  died: (directory) => died(directory),
  revoked: (directory) => ({ kind: 'revoked', directory }),
  warn: { kind: 'warn', message: 'slow' },
  record: records(1, 0),
  gap: records(1, 5),
  stranger: records(2, 0),
  'owned elsewhere': owned('elsewhere'),
  'exit elsewhere': exited('elsewhere'),
  'died elsewhere': died('elsewhere'),
  'revoked elsewhere': { kind: 'revoked', directory: 'elsewhere' },
};

/**
 * What each command does in each situation, written out by hand: the edge that it takes, `=` where it is accepted and the state
 * stays, `-` where it is an illegal transition, `~` where its facts are stale. `exit 0`, `died` and their like tell of the process
 * that is open, the columns of the last table of one that the task does not have.
 */
const expected = `
                         | cancel | terminate | kill    | unblock        | expire | expire before | claim  | take over | release | fail   | block
created                  | cancel | cancel    | fail    | -              | -      | -             | assign | -         | -       | -      | block
created, backing off     | cancel | cancel    | fail    | -              | -      | -             | ~      | -         | -       | -      | block
assigned                 | cancel | cancel    | release | -              | -      | -             | -      | =         | release | fail   | block
assigned, workspace      | cancel | cancel    | release | -              | -      | -             | -      | =         | release | fail   | block
assigned, setup open     | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
assigned, setup stopping | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
assigned, setup passed   | cancel | cancel    | fail    | -              | -      | -             | -      | =         | release | fail   | block
assigned, base           | cancel | cancel    | fail    | -              | -      | -             | -      | =         | release | fail   | block
running, not owned       | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
running                  | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
running, stopping        | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
running, ended           | =      | =         | =       | -              | -      | -             | -      | =         | -       | fail   | block
running, ended, stop     | =      | =         | =       | -              | -      | -             | -      | =         | -       | cancel | cancel
running, lost            | =      | =         | =       | -              | -      | -             | -      | =         | -       | fail   | block
review                   | cancel | cancel    | fail    | -              | -      | -             | -      | =         | -       | fail   | block
review, gate open        | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
review, gate stopping    | =      | =         | =       | -              | -      | -             | -      | =         | -       | -      | -
review, green            | cancel | cancel    | fail    | -              | -      | -             | -      | =         | -       | fail   | block
review, optional red     | cancel | cancel    | fail    | -              | -      | -             | -      | =         | -       | fail   | block
review, red              | cancel | cancel    | fail    | -              | -      | -             | -      | =         | -       | fail   | block
review, errored          | cancel | cancel    | fail    | -              | -      | -             | -      | =         | -       | fail   | block
review, no lease         | cancel | cancel    | fail    | -              | -      | -             | =      | -         | -       | -      | block
blocked                  | cancel | cancel    | fail    | unblock        | fail   | ~             | -      | -         | -       | -      | -
blocked in review        | cancel | cancel    | fail    | unblock_review | fail   | ~             | -      | -         | -       | -      | -
completed                | -      | -         | -       | -              | -      | -             | -      | -         | -       | -      | -
failed                   | -      | -         | -       | -              | -      | -             | -      | -         | -       | -      | -
cancelled                | -      | -         | -       | -              | -      | -             | -      | -         | -       | -      | -

                         | workspace | setup 1 | setup 2 | base | start | gate 1 | gate 2 | judged | evidence | silence
created                  | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
created, backing off     | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
assigned                 | =         | -       | -       | -    | -     | -      | -      | -      | -        | -
assigned, workspace      | -         | =       | ~       | -    | -     | -      | -      | -      | -        | -
assigned, setup open     | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
assigned, setup stopping | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
assigned, setup passed   | -         | ~       | ~       | =    | -     | -      | -      | -      | -        | -
assigned, base           | -         | -       | -       | -    | start | -      | -      | -      | -        | -
running, not owned       | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
running                  | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
running, stopping        | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
running, ended           | -         | -       | -       | -    | -     | -      | -      | -      | submit   | retry
running, ended, stop     | -         | -       | -       | -    | -     | -      | -      | -      | cancel   | cancel
running, lost            | -         | -       | -       | -    | -     | -      | -      | -      | submit   | retry
review                   | -         | -       | -       | -    | -     | =      | ~      | -      | -        | -
review, gate open        | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
review, gate stopping    | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
review, green            | -         | -       | -       | -    | -     | ~      | ~      | accept | -        | -
review, optional red     | -         | -       | -       | -    | -     | ~      | ~      | accept | -        | -
review, red              | -         | -       | -       | -    | -     | ~      | ~      | rework | -        | -
review, errored          | -         | -       | -       | -    | -     | ~      | ~      | fail   | -        | -
review, no lease         | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
blocked                  | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
blocked in review        | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
completed                | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
failed                   | -         | -       | -       | -    | -     | -      | -      | -      | -        | -
cancelled                | -         | -       | -       | -    | -     | -      | -      | -      | -        | -

                         | owned | exit 0 | exit 1 | timeout | died   | revoked | record | gap | stranger | warn
created                  | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
created, backing off     | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
assigned                 | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
assigned, workspace      | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
assigned, setup open     | =     | =      | fail   | fail    | =      | =       | -      | -   | -        | =
assigned, setup stopping | ~     | cancel | cancel | fail    | cancel | ~       | -      | -   | -        | =
assigned, setup passed   | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
assigned, base           | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
running, not owned       | =     | =      | =      | =       | =      | retry   | =      | ~   | ~        | =
running                  | ~     | =      | =      | =       | =      | ~       | =      | ~   | ~        | =
running, stopping        | ~     | =      | =      | =       | =      | ~       | =      | ~   | ~        | =
running, ended           | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
running, ended, stop     | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
running, lost            | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review                   | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review, gate open        | =     | =      | =      | =       | =      | =       | -      | -   | -        | =
review, gate stopping    | ~     | cancel | cancel | cancel  | cancel | ~       | -      | -   | -        | =
review, green            | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review, optional red     | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review, red              | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review, errored          | ~     | ~      | ~      | ~       | ~      | ~       | -      | -   | -        | =
review, no lease         | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
blocked                  | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
blocked in review        | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
completed                | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
failed                   | -     | -      | -      | -       | -      | -       | -      | -   | -        | -
cancelled                | -     | -      | -      | -       | -      | -       | -      | -   | -        | -

                         | owned elsewhere | exit elsewhere | died elsewhere | revoked elsewhere
created                  | -               | -              | -              | -
created, backing off     | -               | -              | -              | -
assigned                 | ~               | ~              | ~              | ~
assigned, workspace      | ~               | ~              | ~              | ~
assigned, setup open     | ~               | ~              | ~              | ~
assigned, setup stopping | ~               | ~              | ~              | ~
assigned, setup passed   | ~               | ~              | ~              | ~
assigned, base           | ~               | ~              | ~              | ~
running, not owned       | ~               | ~              | ~              | ~
running                  | ~               | ~              | ~              | ~
running, stopping        | ~               | ~              | ~              | ~
running, ended           | ~               | ~              | ~              | ~
running, ended, stop     | ~               | ~              | ~              | ~
running, lost            | ~               | ~              | ~              | ~
review                   | ~               | ~              | ~              | ~
review, gate open        | ~               | ~              | ~              | ~
review, gate stopping    | ~               | ~              | ~              | ~
review, green            | ~               | ~              | ~              | ~
review, optional red     | ~               | ~              | ~              | ~
review, red              | ~               | ~              | ~              | ~
review, errored          | ~               | ~              | ~              | ~
review, no lease         | -               | -              | -              | -
blocked                  | -               | -              | -              | -
blocked in review        | -               | -              | -              | -
completed                | -               | -              | -              | -
failed                   | -               | -              | -              | -
cancelled                | -               | -              | -              | -
`;

const cells = expected
  .trim()
  .split('\n\n')
  .flatMap((table) => {
    const [head, ...rows] = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    return rows.flatMap(([situation, ...results]) =>
      results.map((result, column) => ({ situation: situation!, command: head![column + 1]!, result })),
    );
  });

/** Where each edge leads, by hand as well. */
const leadsTo: Readonly<Record<string, Task['state']>> = {
  assign: 'assigned',
  start: 'in_progress',
  submit: 'in_review',
  accept: 'completed',
  release: 'created',
  retry: 'created',
  rework: 'created',
  unblock: 'created',
  unblock_review: 'in_review',
  block: 'blocked',
  fail: 'failed',
  cancel: 'cancelled',
};

describe('every command in every situation', () => {
  test('is in the tables', () => {
    const all = Object.keys(situations).flatMap((situation) => Object.keys(commands).map((command) => `${command} | ${situation}`));
    expect(new Set(cells.map(({ situation, command }) => `${command} | ${situation}`))).toEqual(new Set(all));
    expect(cells).toHaveLength(all.length);
  });

  test.each(cells)('$situation + $command: $result', ({ situation, command, result }) => {
    const task = situations[situation]!;
    const aimed = commands[command]!;
    const decision = decide(task, typeof aimed === 'function' ? aimed(there(task), task) : aimed, task.updatedAt + 100);
    if (isRefusal(decision)) {
      expect({ illegal_transition: '-', stale: '~' }[decision.refused]).toBe(result);
      if (result === '-') expect(decision.message).toContain(`task ${task.id} is ${task.state}`);
      return;
    }
    const moved = decision.events.flatMap(({ body }) => (body.kind === 'state_changed' ? [body] : []));
    expect(moved.map(({ edge }) => edge).join() || '=').toBe(result);
    expect(decision.task.state).toBe(leadsTo[result] ?? task.state);
    for (const { from, to } of moved) expect([from, to]).toEqual([task.state, decision.task.state]);
  });
});
