import { describe, expect, test } from 'vitest';
import { after, claim, created, openWorkspace, owned, setBase, start } from './samples.testsuite.ts';
import { killSwitchOf, scopesOf, type KillSwitch } from './scopes.ts';
import type { Task } from './task.ts';

const spec = { harness: 'codex', workspace: { path: '/home/me/shop', mode: 'worktree' as const } };
const speaking = (task: Task, model: string): Task => ({
  ...task,
  attempts: task.attempts.map((attempt) => ({ ...attempt, live: { turns: 1, model } })),
});

describe('the scopes of a task', () => {
  test('are everything, its harness, its workspace and each directory above, and its labels', () => {
    expect(scopesOf(created({ ...spec, labels: { team: 'a', 'on-call': '' } }))).toEqual([
      'all',
      'harness=codex',
      'workspace=/home/me/shop',
      'workspace=/home/me',
      'workspace=/home',
      'workspace=/',
      'label=team',
      'label=team=a',
      'label=on-call',
      'label=on-call=',
    ]);
  });

  test('are the model that was asked for, and the one that really runs', () => {
    const models = (task: Task): string[] => scopesOf(task).filter((scope) => scope.startsWith('model='));
    const asked = created({ ...spec, model: 'opus' });
    expect(models(asked)).toEqual(['model=opus']);
    const running = after(asked, claim, openWorkspace, setBase, start(), owned());
    expect(models(running)).toEqual(['model=opus']);
    expect(models(speaking(running, 'opus-4-5-20250929'))).toEqual(['model=opus', 'model=opus-4-5-20250929']);
  });
});

describe('a kill switch hits a task', () => {
  const thrown = (scope: string): KillSwitch => ({ scope, by: 'me', at: 1 });
  const task = created({ ...spec, labels: { team: 'a' } });

  test.each(['all', 'harness=codex', 'workspace=/home/me', 'label=team', 'label=team=a'])('whose scope is %s', (scope) => {
    expect(killSwitchOf(task, [thrown('model=other'), thrown(scope), thrown('all')])).toEqual(thrown(scope));
  });

  test.each(['harness=cod', 'workspace=/home/m', 'workspace=/home/me/shop/below', 'label=tea', 'label=team=b', 'model=opus'])(
    'but not one whose scope is %s',
    (scope) => {
      expect(killSwitchOf(task, [thrown(scope)])).toBeUndefined();
    },
  );

  test('only if there is one', () => expect(killSwitchOf(task, [])).toBeUndefined());
});
