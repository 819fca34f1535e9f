import { expect, test } from 'vitest';
import { UnknownEvents } from './unknown-events.ts';

test.each([
  ['{"id":1,"type":"thought.v2","text":"secret"}', 'a line of type "thought.v2"'],
  ['{"type":"an agent\'s \\u001b words"}', 'a JSON object without a type'],
  ['{"text":"secret"}', 'a JSON object without a type'],
  ['Segmentation fault', 'a line that is no JSON object'],
])('%s', (line, told) => {
  const unknown = new UnknownEvents();
  unknown.add({ kind: 'text', thread: 'main', text: 'known' });
  expect(unknown.first).toBeUndefined();
  unknown.add({ kind: 'raw', line });
  unknown.add({ kind: 'raw', line: '{"type":"later"}' });
  expect(unknown.first).toBe(told);
});
