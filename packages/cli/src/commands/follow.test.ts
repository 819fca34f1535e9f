import type { Singletree, TaskEvent } from '@singletree/sdk';
import { expect, test } from 'vitest';
import { happened } from '../terminal/events.testsuite.ts';
import { Screen } from '../terminal/screen.ts';
import { FakeTerminal, plain } from '../terminal/terminal.testsuite.ts';
import { follow, type Followed } from './follow.ts';

async function following(events: readonly (TaskEvent | 'cut')[]): Promise<{ followed: Followed; lines: string[] }> {
  const terminal = new FakeTerminal();
  async function* watch(_: string, options: { onReconnect(): void }): AsyncGenerator<TaskEvent> {
    for (const event of events) {
      if (event === 'cut') options.onReconnect();
      else yield event;
    }
  }
  const client = { tasks: { watch } } as unknown as Singletree;
  const followed = await follow(client, 't', { screen: new Screen(terminal, plain), signal: new AbortController().signal });
  return { followed, lines: terminal.lines };
}

test('ends with the completion', async () => {
  const { followed } = await following([happened(0, 'created', {}), happened(1, 'completed', { outcome: 'success' })]);
  expect(followed).toEqual({ kind: 'completed', event: { outcome: 'success' } });
});

test('ends where only a person can help, and goes on where time does', async () => {
  const blocked = (reason: string) =>
    happened(1, 'state_changed', { edge: 'block', toState: 'blocked', reason, message: `because of ${reason}` });
  const { followed, lines } = await following([blocked('quota_exhausted'), blocked('unauthenticated')]);
  expect(followed).toEqual({ kind: 'needs_you', message: 'because of unauthenticated' });
  expect(lines).toEqual(['  ‖ blocked     because of quota_exhausted', '  ? needs you   because of unauthenticated']);
});

test('a daemon that is gone is told once, until it is back', async () => {
  const { lines } = await following(['cut', 'cut', happened(0, 'created', {}), 'cut', happened(1, 'completed', { outcome: 'success' })]);
  expect(lines).toEqual(Array(2).fill('  ! daemon      gone; the task lives on, and this waits for the next one'));
});
