import { conformanceSuite, readFixtures } from '@singletree/harness/testing';
import { test } from 'vitest';
import harness from './index.ts';

const fixtures = readFixtures(new URL('../fixtures/', import.meta.url));
const thorough = process.env['SINGLETREE_TEST_FULL'] === '1';
const cases = conformanceSuite(harness, fixtures, { thorough, versionOutput: (version) => `codex-cli ${version}\n` });

test.each([...cases])('$rule: $name', { timeout: thorough ? 3_600_000 : 60_000 }, ({ run }) => run());
