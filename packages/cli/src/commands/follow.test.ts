import { TaskBlockedError, type Singletree, type Task, type TaskEvent, type WatchOptions } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { happened } from '../terminal/events.testsuite.ts';
import { Screen } from '../terminal/screen.ts';
import { FakeTerminal, plain } from '../terminal/terminal.testsuite.ts';
import { follow } from './follow.ts';

async function following(events: readonly (TaskEvent | 'cut' | Error)[], wait?: true) {
  const terminal = new FakeTerminal();
  let asked: WatchOptions['whenBlocked'];
  async function* watch(_: string, options: WatchOptions): AsyncGenerator<TaskEvent> {
    asked = options.whenBlocked;
    for (const event of events) {
      if (event instanceof Error) throw event;
      if (event === 'cut') options.onReconnect?.(undefined);
      else yield event;
    }
  }
  const client = { tasks: { watch } } as unknown as Singletree;
  const followed = await follow(client, 't', { screen: new Screen(terminal, plain), wait, signal: new AbortController().signal });
  return { followed, asked, lines: terminal.lines };
}

test('ends with the completion', async () => {
  const { followed } = await following([happened(0, 'created', {}), happened(1, 'completed', { outcome: 'success' })]);
  expect(followed).toEqual({ kind: 'completed', event: { outcome: 'success' } });
});

test('ends where the task is blocked, with the task; what blocked it is told', async () => {
  const blocked = { id: 't', blocked: { reason: 'quota_exhausted', message: 'no quota' } } as unknown as Task;
  const event = happened(1, 'state_changed', { edge: 'block', toState: 'blocked', reason: 'quota_exhausted', message: 'no quota' });
  const { followed, lines } = await following([event, new TaskBlockedError(blocked)]);
  expect(followed).toEqual({ kind: 'blocked', task: blocked });
  expect(lines).toEqual(['  ‖ blocked     quota_exhausted · no quota']);
});

test.each([
  [undefined, 'throw'],
  [true, 'wait'],
] as const)('with wait %s a blocked task makes it %s', async (wait, whenBlocked) => {
  const { asked } = await following([happened(1, 'completed', { outcome: 'success' })], wait);
  expect(asked).toBe(whenBlocked);
});

test('a daemon that is gone is told once, until it is back', async () => {
  const { lines } = await following(['cut', 'cut', happened(0, 'created', {}), 'cut', happened(1, 'completed', { outcome: 'success' })]);
  expect(lines).toEqual(Array(2).fill('  ! daemon      gone; the task lives on, and this waits for the next one'));
});
