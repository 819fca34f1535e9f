import { expect, test } from 'vitest';
import { childEnvironment } from './environment.ts';

test('what tells who and where the person is goes through', () => {
  const base = {
    HOME: '/h',
    USER: 'u',
    LOGNAME: 'u',
    SHELL: '/bin/zsh',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
    TZ: 'UTC',
    TMPDIR: '/t',
    TERM: 'dumb',
    XDG_CONFIG_HOME: '/x',
    PATH: '/bin',
  };
  expect(childEnvironment(base)).toEqual(base);
});

test('what surrounds the daemon stays outside, also when an agent started it', () => {
  const hostile = Object.fromEntries(
    [
      'npm_config_registry',
      'npm_lifecycle_event',
      'PNPM_HOME',
      'PNPM_SCRIPT_SRC_DIR',
      'NODE_OPTIONS',
      'NODE_PATH',
      'LD_PRELOAD',
      'LD_LIBRARY_PATH',
      'GIT_DIR',
      'GIT_CONFIG_GLOBAL',
      'GIT_SSH_COMMAND',
      'BASH_ENV',
      'ENV',
      'BASH_FUNC_ls%%',
      'CLAUDECODE',
      'CLAUDE_CODE_ENTRYPOINT',
      'CLAUDE_CONFIG_DIR',
      'ANTHROPIC_API_KEY',
      'ANTHROPIC_BASE_URL',
      'OPENAI_API_KEY',
      'CODEX_HOME',
      'CODEX_SANDBOX',
      'OPENCODE_CONFIG',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'TRACEPARENT',
      'AWS_SECRET_ACCESS_KEY',
      'GITHUB_TOKEN',
      'SINGLETREE_TOKEN',
      'SINGLETREE_STATE',
      'SINGLETREE_PROCESS',
      'SINGLETREE_FAILPOINTS',
      'PYTHONPATH',
      'PWD',
      'OLDPWD',
      'INIT_CWD',
      'SSH_AUTH_SOCK',
    ].map((name) => [name, 'x']),
  );
  expect(childEnvironment({ ...hostile, HOME: '/h', PATH: '/bin' })).toEqual({ HOME: '/h', PATH: '/bin' });
});

test.each([
  ['as it is', { PATH: '/a:/b' }, '/a:/b'],
  [
    "without a script's own folders",
    { PATH: '/w/node_modules/.bin:/w/node_modules/npm/bin/node-gyp-bin:/a:/w/.toolchain/node-24/bin:/b:/x/node_modules/.bin/' },
    '/a:/b',
  ],
  ['a folder with a like name', { PATH: '/my.toolchain/bin:/node_modules/.binary' }, '/my.toolchain/bin:/node_modules/.binary'],
  [
    'as whoever started us says',
    { PATH: '/w/node_modules/.bin', SINGLETREE_USER_PATH: '/u/node_modules/.bin:/u' },
    '/u/node_modules/.bin:/u',
  ],
  ['where that is empty', { PATH: '/a', SINGLETREE_USER_PATH: '' }, '/a'],
  ['where there is none', {}, '/usr/local/bin:/usr/bin:/bin'],
])("the PATH is the person's: %s", (_, base, path) => {
  expect(childEnvironment(base)).toEqual({ PATH: path });
});

test("the configuration's own is added and wins", () => {
  expect(childEnvironment({ HOME: '/h', PATH: '/a' }, { HOME: '/other', HTTPS_PROXY: 'http://p' })).toEqual({
    HOME: '/other',
    PATH: '/a',
    HTTPS_PROXY: 'http://p',
  });
});
