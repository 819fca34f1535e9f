import { expect, test } from 'vitest';
import { gateKindOf } from './gate-kind.ts';

test.each([
  ['test', 'test'],
  ['Test', 'test'],
  ['unit-tests', 'test'],
  ['e2e', 'test'],
  ['lint', 'lint'],
  ['npm:lint', 'lint'],
  ['build', 'build'],
  ['typecheck', 'typecheck'],
  ['type-check', 'typecheck'],
  ['security', 'security'],
  ['npm-audit', 'security'],
  ['coverage', 'coverage'],
  ['test-coverage', 'coverage'],
  ['contest', 'custom'],
  ['custom', 'custom'],
  ['', 'custom'],
])('the name %j says %s', (name, kind) => expect(gateKindOf(name)).toBe(kind));
