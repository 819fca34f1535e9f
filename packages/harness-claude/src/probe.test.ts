import type { HarnessSettings, ProbeHost } from '@singletree/harness';
import { expect, test } from 'vitest';
import { probe } from './probe.ts';

const settings: HarnessSettings<unknown> = { executable: '/bin/claude', hasApiKey: false, args: [], options: {} };
const host = (known: { environment?: string; file?: string; version?: string }): ProbeHost => ({
  version: async (_args, pattern) => ({ found: pattern.exec(`${known.version ?? '2.1.329'} (Claude Code)\n`)?.[1] ?? 'none' }),
  homeFileExists: async (path) => path === known.file,
  hasEnvironment: (name) => name === known.environment,
});

test.each([
  [{ environment: 'ANTHROPIC_API_KEY' }, false],
  [{ environment: 'ANTHROPIC_AUTH_TOKEN' }, false],
  [{ environment: 'CLAUDE_CODE_OAUTH_TOKEN' }, false],
  [{ file: '.claude/.credentials.json' }, false],
  [{}, true],
])('is ready with %o, configured key: %s', async (known, hasApiKey) => {
  expect(await probe(host(known), { ...settings, hasApiKey })).toEqual({ status: 'ready', version: '2.1.329' });
});

test('a configuration elsewhere has its login there', async () => {
  const elsewhere = { environment: 'CLAUDE_CONFIG_DIR' };
  expect(await probe(host({ ...elsewhere, file: '$CLAUDE_CONFIG_DIR/.credentials.json' }), settings)).toMatchObject({ status: 'ready' });
  expect(await probe(host({ ...elsewhere, file: '.claude/.credentials.json' }), settings)).toMatchObject({ status: 'unauthenticated' });
});

test('without any credential it says what to do; a gateway that needs no key is no exception, because the CLI asks for one', async () => {
  expect(await probe(host({}), settings)).toMatchObject({ status: 'unauthenticated', hint: expect.stringContaining('log in') });
  expect(await probe(host({}), { ...settings, baseUrl: 'http://gateway' })).toMatchObject({
    status: 'unauthenticated',
    hint: expect.stringContaining('any value'),
  });
});

test('a version that is newer than the newest checked one runs with a warning', async () => {
  expect(await probe(host({ version: '2.2.0', environment: 'ANTHROPIC_API_KEY' }), settings)).toMatchObject({
    status: 'ready',
    warning: expect.stringContaining('2.2.0'),
  });
});
