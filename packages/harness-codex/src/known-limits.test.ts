import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { knownLimits } from './known-limits.ts';

const page = readFileSync(new URL('../../../docs/harnesses/codex.md', import.meta.url), 'utf8');

test.each(knownLimits)('$text is on the page about Codex', ({ versions, text }) => {
  expect(page.replaceAll(/\n {2}/g, ' ')).toContain(`- ${text}${versions === 'all' ? '' : ` (${versions})`}`);
});
