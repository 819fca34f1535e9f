import { expect, test } from 'vitest';
import type { Command } from './commands.ts';
import { decide } from './decide.ts';
import { after, created, decided, running } from './samples.testsuite.ts';

const live = { turns: 4, concern: 'goes in circles' };
const warning: Command = { kind: 'warn', about: 'turns', message: '4 of 5 model calls are used up', live };
const atRunning = after(created(), ...running);

test('is told once about each thing, and shows a watcher what is wrong', () => {
  const { task, events } = decided(atRunning, warning);
  expect(events.map(({ body }) => body)).toEqual([{ kind: 'warning', message: '4 of 5 model calls are used up' }]);
  expect(task.attempts).toMatchObject([{ warned: ['turns'], live }]);
  expect(decide(task, warning, task.updatedAt)).toStrictEqual({ refused: 'stale', message: 'of turns it was warned before' });
  expect(after(task, { kind: 'warn', about: 'stall', message: 'silent' })).toMatchObject({
    attempts: [{ warned: ['turns', 'stall'], live }],
  });
});

test('that is about nothing is told each time', () => {
  const once = after(atRunning, { kind: 'warn', message: 'slow' });
  expect(once.attempts[0]).not.toHaveProperty('warned');
  expect(decided(once, { kind: 'warn', message: 'slow' }).events).toHaveLength(1);
});
