import type { HarnessSettings, ProbeHost } from '@singletree/harness';
import { expect, test } from 'vitest';
import { probe } from './probe.ts';

const settings: HarnessSettings<unknown> = { executable: '/bin/opencode', hasApiKey: false, args: [], options: {} };
const host = (known: { environment?: string; file?: string; version?: string }): ProbeHost => ({
  version: async (_args, pattern) => ({ found: pattern.exec(`${known.version ?? '1.18.33'}\n`)?.[1] ?? 'none' }),
  homeFileExists: async (path) => path === known.file,
  hasEnvironment: (name) => name === known.environment,
});

test.each<[object, Partial<HarnessSettings<unknown>>]>([
  [{ file: '.local/share/opencode/auth.json' }, {}],
  [{ file: '$XDG_DATA_HOME/opencode/auth.json' }, {}],
  [{ file: '.config/opencode/opencode.jsonc' }, {}],
  [{ environment: 'OPENROUTER_API_KEY' }, {}],
  [{}, { hasApiKey: true }],
  [{}, { baseUrl: 'http://127.0.0.1:11434/v1' }],
  [{}, { model: 'opencode/big-pickle' }],
])('is ready with %j and %j', async (known, more) => {
  expect(await probe(host(known), { ...settings, ...more })).toEqual({ status: 'ready', version: '1.18.33' });
});

test('without any login it says what to do; a newer version runs with a warning', async () => {
  expect(await probe(host({}), { ...settings, model: 'anthropic/claude' })).toMatchObject({
    status: 'unauthenticated',
    hint: expect.stringContaining('auth login'),
  });
  expect(await probe(host({ version: '1.19.0', environment: 'OPENAI_API_KEY' }), settings)).toMatchObject({
    status: 'ready',
    warning: expect.stringContaining('1.19.0'),
  });
});
