import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@singletree/testing';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { defineTaskFlags, taskFrom, type TaskFlags } from './task-flags.ts';
import type { FileTask } from './tasks-file.ts';

async function parse(argv: readonly string[], from: FileTask = {}, cwd = '/home/ada'): Promise<object> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  defineTaskFlags(command);
  command.parse([...argv], { from: 'user' });
  const task = await taskFrom({ instructions: 'do it', ...from }, command.opts<TaskFlags>(), cwd);
  // What is absent is the daemon's to choose: undefined and missing are the same to the client.
  return Object.fromEntries(Object.entries(task).filter(([, value]) => value !== undefined));
}

const least = { instructions: 'do it', workspace: { path: '/home/ada', mode: undefined }, limits: {} };

test.each<[string[], object]>([
  [[], {}],
  [['--harness', 'codex', '--model', 'gpt', '--title', '--json'], { harness: 'codex', model: 'gpt', title: '--json' }],
  [['--workspace', 'shop', '--workspace-mode', 'in_place'], { workspace: { path: '/home/ada/shop', mode: 'in_place' } }],
  [['--criterion', 'a', '--criterion', 'b'], { acceptanceCriteria: ['a', 'b'] }],
  [['--type', 'debugging', '--complexity', 'high'], { taskType: 'debugging', complexity: 'high' }],
  [
    ['--gate', 'test=A=1 npm test', '--gate', 'lint=x'],
    {
      gates: [
        { name: 'test', command: 'A=1 npm test' },
        { name: 'lint', command: 'x' },
      ],
    },
  ],
  [['--no-gates'], { gates: [] }],
  [['--setup', 'npm ci', '--setup', 'make'], { setup: ['npm ci', 'make'] }],
  [['--permissions', 'read'], { permissions: 'read' }],
  [['--max-attempts', '5', '--timeout', '1h30m'], { limits: { maxAttempts: 5, timeoutMs: 5_400_000 } }],
  [
    ['--max-cost', '2.50', '--max-tokens', '9007199254740991', '--max-turns', '7', '--max-context', '.8'],
    { limits: { maxCostUsdMicros: 2_500_000, maxTokens: Number.MAX_SAFE_INTEGER, maxTurns: 7, maxContextUtilization: 0.8 } },
  ],
  [['--priority', '-10'], { priority: -10 }],
  [['--label', 'team=billing', '--label', 'empty='], { labels: { team: 'billing', empty: '' } }],
  [['--request-id', 'x-1'], { requestId: 'x-1' }],
])('%j', async (argv, expected) => expect(await parse(argv)).toEqual({ ...least, ...expected }));

test('a flag beats the file, part by part in the limits', async () => {
  const file: FileTask = {
    title: 'of the file',
    workspace: '/srv/shop',
    workspaceMode: 'clone',
    gates: [{ name: 'a', command: 'b' }],
    limits: { timeoutMs: 5, maxAttempts: 2 },
    labels: { a: 'b' },
  };
  expect(await parse([], file)).toMatchObject({
    title: 'of the file',
    workspace: { path: '/srv/shop', mode: 'clone' },
    limits: { timeoutMs: 5, maxAttempts: 2 },
  });
  expect(await parse(['--title', 'mine', '--workspace-mode', 'worktree', '--max-attempts', '9', '--no-gates'], file)).toMatchObject({
    title: 'mine',
    workspace: { path: '/srv/shop', mode: 'worktree' },
    limits: { timeoutMs: 5, maxAttempts: 9 },
    gates: [],
    labels: { a: 'b' },
  });
});

test.each([
  [['--gate', 'npm test'], '--gate "npm test" is not NAME=COMMAND'],
  [['--gate', '=npm test'], '--gate "=npm test" is not NAME=COMMAND'],
  [['--gate', 'npm test=x'], '--gate "npm test=x": "npm test" is no name of a gate'],
  [['--gate', 'test= '], '--gate "test= " is not NAME=COMMAND'],
  [['--title', 'é\nb'], 'title holds a control character at byte 2'],
  [['--label', 'team'], '--label "team" is not K=V'],
  [['--timeout', '30'], '--timeout "30" is not a duration'],
  [['--timeout', '366d'], '--timeout "366d": a duration must be at most 365d'],
  [['--timeout', '0s'], '--timeout "0s" is not a duration'],
  [['--max-attempts', '0'], 'It must be a whole number, 1 to 20.'],
  [['--max-attempts', '2.5'], 'It must be a whole number, 1 to 20.'],
  [['--max-cost', '0'], 'It must be US dollars, 0.000001 to 1000000, such as 2.50.'],
  [['--max-cost', '$2'], 'It must be US dollars, 0.000001 to 1000000, such as 2.50.'],
  [['--max-cost', '1e9'], 'It must be US dollars, 0.000001 to 1000000, such as 2.50.'],
  [['--max-cost', '1000001'], 'It must be US dollars, 0.000001 to 1000000, such as 2.50.'],
  [['--max-tokens', '0'], 'It must be a whole number, 1 to 9007199254740991.'],
  [['--max-context', '1.1'], 'It must be a number from 0.01 to 1, such as 0.8.'],
  [['--priority', '1001'], 'It must be a whole number, -1000 to 1000.'],
  [['--type', 'debuging'], 'Allowed choices are planning'],
  [['--permissions', 'none'], 'Allowed choices are all, edits, read.'],
  [['--workspace-mode', 'copy'], 'Allowed choices are worktree, in_place, clone.'],
  [['--no-gates', '--gate', 'a=b'], "option '--no-gates' cannot be used with option '--gate <NAME=COMMAND>'"],
])('%j is refused', async (argv, message) => await expect(parse(argv)).rejects.toThrow(message));

test('a context file is named from here, and given from the workspace, links followed', async () => {
  await using folder = await temporaryFolder();
  const workspace = join(folder.path, 'shop');
  mkdirSync(join(workspace, 'docs'), { recursive: true });
  writeFileSync(join(workspace, 'docs/a.md'), '');
  writeFileSync(join(folder.path, 'outside.md'), '');
  symlinkSync(workspace, join(folder.path, 'link'));
  const context = async (file: string, cwd: string): Promise<object> => await parse(['--workspace', workspace, '--context', file], {}, cwd);
  expect(await context('a.md', join(workspace, 'docs'))).toMatchObject({ context: [{ file: 'docs/a.md' }] });
  expect(await context('link/docs/a.md', folder.path)).toMatchObject({ context: [{ file: 'docs/a.md' }] });
  await expect(context('../outside.md', workspace)).rejects.toMatchObject({ reason: 'INVALID_CONTEXT_FILE', exitCode: 2 });
  await expect(context('missing.md', workspace)).rejects.toThrow(`there is no file ${workspace}/missing.md`);
  await expect(context('docs', workspace)).rejects.toThrow('there is no file');
});
