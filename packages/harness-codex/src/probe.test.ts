import type { HarnessSettings, ProbeHost } from '@singletree/harness';
import { expect, test } from 'vitest';
import { probe } from './probe.ts';

const settings: HarnessSettings<unknown> = { executable: '/bin/codex', hasApiKey: false, args: [], options: {} };
const host = (known: { environment?: string; file?: string; version?: string }): ProbeHost => ({
  version: async (_args, pattern) => ({ found: pattern.exec(`codex-cli ${known.version ?? '0.169.0'}\n`)?.[1] ?? 'none' }),
  homeFileExists: async (path) => path === known.file,
  hasEnvironment: (name) => name === known.environment,
});

test.each<[object, Partial<HarnessSettings<unknown>>]>([
  [{ environment: 'CODEX_API_KEY' }, {}],
  [{ file: '.codex/auth.json' }, {}],
  [{ environment: 'CODEX_HOME', file: '$CODEX_HOME/auth.json' }, {}],
  [{}, { hasApiKey: true }],
  [{}, { baseUrl: 'http://127.0.0.1:1' }],
  [{}, { args: ['-c', 'model_provider="azure"'] }],
  [{}, { args: ['--oss'] }],
  [{}, { args: ['--profile', 'work'] }],
])('is ready with %o and %o', async (known, more) => {
  expect(await probe(host(known), { ...settings, ...more })).toEqual({ status: 'ready', version: '0.169.0' });
});

test.each([{}, { environment: 'CODEX_HOME', file: '.codex/auth.json' }])('with %o it says how to log in', async (known) => {
  expect(await probe(host(known), settings)).toMatchObject({
    status: 'unauthenticated',
    hint: expect.stringContaining('codex login') as string,
  });
});

test.each([
  ['0.149.9', { status: 'unsupported_version' }],
  ['0.170.0', { status: 'ready', warning: expect.stringContaining('0.170.0') as string }],
])('version %s', async (version, answer) => {
  expect(await probe(host({ version, environment: 'CODEX_API_KEY' }), settings)).toMatchObject(answer);
});
