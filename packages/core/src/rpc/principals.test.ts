import { expect, test } from 'vitest';
import { byToken } from './principals.ts';

const tokens = { read: `st_${'r'.repeat(43)}`, submit: `st_${'s'.repeat(43)}`, admin: `st_${'a'.repeat(43)}` };
const principal = byToken(tokens);

test.each([
  [`Bearer ${tokens.admin}`, { name: 'token', scope: 'admin' }],
  [`bearer ${tokens.submit}`, { name: 'token.submit', scope: 'submit' }],
  [`Bearer  ${tokens.read}`, { name: 'token.read', scope: 'read' }],
])('a token says who calls', (header, expected) => expect(principal([header])).toEqual(expected));

test.each<[string, readonly string[], string]>([
  ['none', [], 'TOKEN_MISSING'],
  ['an empty one', [''], 'TOKEN_MISSING'],
  ['another', [`Bearer st_${'x'.repeat(43)}`], 'TOKEN_INVALID'],
  ['the beginning of one', [`Bearer ${tokens.admin.slice(0, -1)}`], 'TOKEN_INVALID'],
  ['one and more', [`Bearer ${tokens.admin}a`], 'TOKEN_INVALID'],
  ['another scheme', [`Basic ${tokens.admin}`], 'TOKEN_INVALID'],
  ['no scheme', [tokens.admin], 'TOKEN_INVALID'],
  ['two of them', [`Bearer ${tokens.admin}`, `Bearer ${tokens.admin}`], 'TOKEN_INVALID'],
  ['two in one', [`Bearer ${tokens.admin}, Bearer ${tokens.admin}`], 'TOKEN_INVALID'],
  ['a very long one', [`Bearer ${'x'.repeat(100_000)}`], 'TOKEN_INVALID'],
  ['nothing after the scheme', ['Bearer '], 'TOKEN_INVALID'],
])('%s is refused', (_, headers, reason) => {
  expect(() => principal(headers)).toThrow(expect.objectContaining({ reason }) as Error);
});
