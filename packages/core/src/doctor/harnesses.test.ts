import { expect, test } from 'vitest';
import { harnessFinding, type HarnessFacts } from './harnesses.ts';

const missing: HarnessFacts = {
  id: 'codex',
  status: 'missing',
  message: 'codex was not found',
  hint: 'npm install --global @openai/codex',
};

test.each<[string, HarnessFacts, string, object]>([
  [
    'ready',
    { id: 'codex', status: 'ready', version: '0.150.0', executable: '/bin/codex' },
    'codex',
    { status: 'ok', message: '0.150.0', where: '/bin/codex' },
  ],
  [
    'ready, with something to know',
    { id: 'codex', status: 'ready', version: '9.0.0', message: 'not tried' },
    'codex',
    { status: 'warning', message: '9.0.0; not tried' },
  ],
  ['missing', missing, 'claude_code', { status: 'warning', message: 'codex was not found', mend: 'npm install --global @openai/codex' }],
  ['the default that is missing', missing, 'codex', { status: 'error', message: 'codex was not found (the default harness)' }],
  [
    'the default of a version that was not checked: it runs',
    { ...missing, status: 'unsupported_version', message: 'older than 0.150.0' },
    'codex',
    { status: 'warning', message: 'older than 0.150.0' },
  ],
  ['not logged in', { ...missing, status: 'unauthenticated', message: 'not logged in' }, 'codex', { status: 'error' }],
])('%s', (_, facts, defaultId, finding) => expect(harnessFinding(facts, defaultId)).toMatchObject({ check: 'codex', ...finding }));
