import { expect, test } from 'vitest';
import { createDecoder } from './decode.ts';

const decode = (...lines: object[]) =>
  createDecoder('stdout').push(Buffer.from(lines.map((line) => `${JSON.stringify({ sessionID: 's', ...line })}\n`).join('')));

test.each([
  ['ContextOverflowError', { pending: 1, evidence: { reason: 'context_exhausted' } }],
  ['ProviderAuthError', { evidence: { reason: 'unauthenticated' } }],
])('an error (%s) is the end, unless a compaction may follow', (name, expected) => {
  const [ended] = decode({ type: 'error', error: { name, data: { message: 'no' } } }).filter(({ kind }) => kind === 'ended');
  expect(ended).toMatchObject(expected);
  expect(ended && 'pending' in ended).toBe('pending' in expected);
});

test('calls are told apart by all that they were given, and results by all that came of them', () => {
  const use = (callID: string, command: string, output: string): object => ({
    type: 'tool_use',
    part: { callID, tool: 'bash', state: { status: 'completed', title: 'cat', input: { command }, output, metadata: { exit: 0 } } },
  });
  const events = decode(use('1', 'cat a', 'x'), use('2', 'cat b', 'x'), use('3', 'cat a', 'y'));
  const inputs = events.flatMap((event) => (event.kind === 'tool.started' ? [event.inputDigest] : []));
  const outputs = events.flatMap((event) => (event.kind === 'tool.finished' ? [event.outputDigest] : []));
  expect([inputs[0] === inputs[2], inputs[0] === inputs[1], outputs[0] === outputs[1], outputs[0] === outputs[2]]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
