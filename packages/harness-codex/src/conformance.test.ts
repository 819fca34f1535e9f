import { conformanceSuite, readFixtures } from '@singletree/harness/testing';
import { test } from 'vitest';
import harness from './index.ts';

const fixtures = readFixtures(new URL('../fixtures/', import.meta.url));

test.each(conformanceSuite(harness, fixtures, { versionOutput: (version) => `codex-cli ${version}\n` }))('$rule: $name', ({ run }) =>
  run(),
);
