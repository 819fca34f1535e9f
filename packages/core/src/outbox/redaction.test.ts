import { expect, test } from 'vitest';
import { pairText, redactor } from './redaction.ts';

const redact = redactor();

test.each([
  ['a key of a provider', 'it used sk-ant-api03-AbCdEf0123456789 and went on', 'it used [redacted] and went on'],
  ['a token of a forge', 'ghp_0123456789abcdefghij, github_pat_11ABCDEFG0123456789', '[redacted], [redacted]'],
  ['a key of a cloud', 'AKIAIOSFODNN7EXAMPLE', '[redacted]'],
  ['a bearer token', 'sent Authorization: Bearer abc.def-123456', 'sent Authorization: [redacted]'],
  ['a bearer token alone', 'curl -H "bearer abcdef123456"', 'curl -H "Bearer [redacted]"'],
  ['basic credentials', 'authorization: Basic dXNlcjpwYXNz', 'authorization: [redacted]'],
  ['a JSON web token', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc', '[redacted]'],
  ['a private key', 'a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb', 'a\n[redacted]\nb'],
  ['a private key that was cut', 'a -----BEGIN PRIVATE KEY-----\nMIIE', 'a [redacted]'],
  ['credentials in an address', 'postgres://anna:pa55@db:5432/shop', 'postgres://[redacted]@db:5432/shop'],
  [
    'what a key calls a secret',
    'DB_PASSWORD=hunter2, api-key: "a b", token=x;',
    'DB_PASSWORD=[redacted], api-key: [redacted], token=[redacted];',
  ],
  ['an e-mail address', 'ask anna.b+c@mail.example.org.', 'ask [redacted].'],
  ['a home folder', 'in /home/anna/shop and /Users/bob, not /srv/home', 'in ~/shop and ~, not /srv/home'],
  ["root's home folder", 'cat /root/.ssh/config; ls /root', 'cat ~/.ssh/config; ls ~'],
])('%s is taken out', (_, text, clean) => expect(redact(text)).toBe(clean));

test.each([
  'claude-sonnet-4-5-20250929',
  'claude-sonnet-4@20250514',
  'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  'mcp__github__create_issue',
  'task-implementation-of-something-2026',
  'npm run test:unit -- --token-limit',
  'basic functionality works; bearer of news',
  'src/secrets/rootless.ts',
  'exit 1: expected 12.50, got 12.5',
])('%s stays as it is', (text) => expect(redact(text)).toBe(text));

test("patterns of the user's, and the home of the daemon, wherever it is", () => {
  expect(redactor(['ACME-\\d+', '(?i:project x)'], '/data/an.a')('ACME-12 of Project X in /data/an.a/shop, not /data/anna')).toBe(
    '[redacted] of [redacted] in ~/shop, not /data/anna',
  );
});

test('a label is redacted by its key too', () => {
  expect(pairText('deploy.token', 'x')).toBe('deploy.token=[redacted]');
  expect(pairText('api_key', 'x')).toBe('api_key=[redacted]');
  expect(pairText('tokenizer', 'bpe')).toBe('tokenizer=bpe');
});

test('a long text of nothing but letters takes no time worth a word', () => {
  const text = 'a'.repeat(16_000) + ' eyJ'.repeat(4_000) + '-----BEGIN PRIVATE KEY'.repeat(500);
  const begun = performance.now();
  redact(text);
  expect(performance.now() - begun).toBeLessThan(2_000);
});
