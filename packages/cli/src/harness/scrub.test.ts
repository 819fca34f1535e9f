import { describe, expect, test } from 'vitest';
import { scrubbed, scrubsOf, type Surroundings } from './scrub.ts';

const surroundings: Surroundings = {
  home: '/home/alice',
  state: '/home/alice/.local/state/singletree',
  workspace: '/home/alice/src/shop',
  temporary: '/tmp',
  names: ['alice', 'root', 'al', 'büro-7'],
  secrets: ['s3cr3t "key"', 'hunter22', 'true', '12345678'],
};

function scrub(text: string, more: Partial<Surroundings> = {}): string {
  return scrubbed(Buffer.from(text), scrubsOf({ ...surroundings, ...more })).toString();
}

describe('a recording is given away without', () => {
  test.each([
    ['/home/alice/src/shop/a.js', '/repository/a.js'],
    ['cd \\n/home/alice/src/shop', 'cd \\n/repository'],
    ['/home/alice/.local/state/singletree/worktrees/1', '/state/worktrees/1'],
    ['/home/alice/.claude', '/home/user/.claude'],
    ['/home/alicexyz', '/home/alicexyz'],
    ['.claude/projects/-home-alice-src-shop/x.jsonl', '.claude/projects/-repository/x.jsonl'],
    ['-home-alice--local-state-singletree-worktrees-1', '-state-worktrees-1'],
    ['by alice, of malice; hi\\nalice on büro-7', 'by user, of malice; hi\\nuser on user'],
    ['root is al', 'root is al'],
    ['{"is":true,"n":12345678}', '{"is":true,"n":12345678}'],
    ['key hunter22!', 'key REMOVED!'],
    ['{"env":"s3cr3t \\"key\\""}', '{"env":"REMOVED"}'],
    [Buffer.from('hunter22').toString('base64'), 'REMOVED'],
  ])('%s', (from, to) => expect(scrub(from)).toBe(to));

  test.each([
    'sk-ant-api03-abcdefghijklmnopqrstuvwxyz',
    'ghp_abcdefghijklmnopqrstuvwxyz0123456789',
    'github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv',
    'AKIAABCDEFGHIJKLMNOP',
    'xoxb-1234567890-abcdefghij',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl',
    'AIzaSyA-abcdefghijklmnopqrstuvwxyz012345',
  ])('%s, whoever put it there', (token) => expect(scrub(`"${token}"`)).toBe('"REMOVED"'));

  // A line feed before it is two characters in JSON, the second of them a letter.
  test.each(['sk-ant-api03-abcdefghijklmnopqrstuvwxyz', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789', 'alice@corp.example.net'])(
    '%s behind a line feed, and the line stays JSON',
    (secret) => {
      const json = scrub(JSON.stringify({ text: `a\n${secret}\n\tb ${secret}\u001b[0m` }), { names: [] });
      expect(json).not.toContain(secret);
      expect(JSON.parse(json)).toEqual({ text: expect.stringMatching(/^a\n(REMOVED|user@example.com)\n\tb /) as string });
    },
  );

  test.each([
    ['CORP_API_KEY=plain-words-and-1', 'CORP_API_KEY=REMOVED'],
    ['A=1\\nDB_PASSWORD=hunter2222\\nB=2', 'A=1\\nDB_PASSWORD=REMOVED\\nB=2'],
    ['{"api_key":"plain words", "x":1}', '{"api_key":"REMOVED", "x":1}'],
    ['{\\"Authorization\\": \\"Basic YWxpY2U6cGFzcw==\\"}', '{\\"Authorization\\": \\"REMOVED\\"}'],
    // Figures, and words about keys, are none.
    ['input_token_count=1900 MAX_TOKENS=64000', 'input_token_count=1900 MAX_TOKENS=64000'],
    ['{"apiKeySource":"ANTHROPIC_API_KEY","input_tokens":1234567}', '{"apiKeySource":"ANTHROPIC_API_KEY","input_tokens":1234567}'],
  ])('what stands under the name of a key: %s', (from, to) => expect(scrub(from, { names: [] })).toBe(to));

  test.each([
    ['Authorization: Bearer abc.def-ghi_jkl', 'Authorization: Bearer REMOVED'],
    ['http://me:pass@proxy:3128', 'http://REMOVED@proxy:3128'],
    ['Alice <alice@corp.example.net>', 'Alice <user@example.com>'],
    ['noreply@example.com', 'noreply@example.com'],
  ])('what %s holds', (from, to) => expect(scrub(from, { names: [] })).toBe(to));
});

test('what is no text stays, byte for byte', () => {
  const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]);
  expect(scrubbed(bytes, scrubsOf(surroundings))).toEqual(bytes);
});
