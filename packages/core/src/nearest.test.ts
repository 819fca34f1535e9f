import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const known = ['run', 'watch', 'status', 'claude_code', 'codex', 'opencode', 'concurrency'];

test.each([
  ['rnu', 'run'],
  ['urn', 'run'],
  ['runn', 'run'],
  ['ru', 'run'],
  ['statsu', 'status'],
  ['wacth', 'watch'],
  ['claud', 'claude_code'],
  ['co', undefined],
  ['claude_cod', 'claude_code'],
  ['concurency', 'concurrency'],
  ['codx', 'codex'],
  ['xyz', undefined],
  ['', undefined],
])('%s may mean %s', (word, meant) => expect(nearest(word, known)).toBe(meant));
