import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings } from '@singletree/harness';
import { expect, test } from 'vitest';
import { command, options, type ClaudeOptions } from './command.ts';

function build(attempt: Partial<AttemptContext> = {}, settings: Partial<HarnessSettings<ClaudeOptions>> = {}): Command {
  return command(
    { prompt: '# Do it\n', workspace: '/repo', session: { kind: 'new', id: 'id-1' }, permissions: 'all', root: false, ...attempt },
    { executable: '/bin/claude', hasApiKey: false, args: [], options: options.parse({}), ...settings },
  );
}

test('a new session, with everything the CLI needs to be read', () => {
  expect(build({ model: 'sonnet' }, { baseUrl: 'http://127.0.0.1:4000', model: 'opus', args: ['--effort', 'low'] })).toEqual({
    file: '/bin/claude',
    args: '-p --output-format stream-json --verbose --dangerously-skip-permissions --model sonnet --session-id id-1 --effort low'.split(
      ' ',
    ),
    env: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1', ANTHROPIC_BASE_URL: 'http://127.0.0.1:4000' },
    apiKeyVariable: 'ANTHROPIC_API_KEY',
    stdin: '# Do it\n',
  });
});

test('a resumed session is gone on in; the configured model stands in for none', () => {
  const { args } = build({ session: { kind: 'resume', id: 'id-2' } }, { model: 'opus' });
  expect(args.slice(-4)).toEqual(['--model', 'opus', '--resume', 'id-2']);
});

test('as root the CLI is told of a sandbox for "all" only, and not if that is forbidden', () => {
  expect(build({ root: true }).env).toHaveProperty('IS_SANDBOX', '1');
  expect(build({ root: true, permissions: 'edits' }).env).not.toHaveProperty('IS_SANDBOX');
  const forbidden = { options: { allow_root: false } };
  expect(() => build({ root: true }, forbidden)).toThrow(RefusedAttempt);
  expect(build({ root: true, permissions: 'read' }, forbidden).env).not.toHaveProperty('IS_SANDBOX');
});

test.each([['--resume'], ['--output-format=text'], ['-p'], ['--dangerously-skip-permissions']])(
  '%s among the configured arguments is refused',
  (flag) => {
    expect(() => build({}, { args: ['--effort', 'low', flag] })).toThrow(/set by Singletree itself/);
  },
);

test('unknown options are refused', () => {
  expect(options.safeParse({ alow_root: true }).success).toBe(false);
});
