import type { ReceivedSpan } from '@singletree/testing';
import { expect, test } from 'vitest';
import { traceTree, traceTreeInFull } from './trace-tree.ts';

const span = (spanId: string, name: string, [start, end]: [number, number], more: Partial<ReceivedSpan> = {}): ReceivedSpan => ({
  traceId: 't',
  spanId,
  traceState: '',
  flags: 1,
  name,
  kind: 'internal',
  start: BigInt(start) * 1_000_000n,
  end: BigInt(end) * 1_000_000n,
  attributes: {},
  events: [],
  links: [],
  status: { code: 'unset', message: '' },
  resource: {},
  scope: { name: '', version: '' },
  ...more,
});
const gate = span('g', 'gate test', [4_000, 4_400], { parentSpanId: 'r', attributes: { 'cicd.pipeline.task.run.result': 'failure' } });
const spans = [
  gate,
  span('r', 'invoke_workflow debugging', [0, 12_900], { attributes: { 'singletree.task.outcome': 'success' } }),
  span('a', 'invoke_agent claude_code', [100, 4_000], { parentSpanId: 'r', attributes: { 'singletree.attempt.number': 1 } }),
  span('c', 'chat', [200, 300], { parentSpanId: 'a' }),
  gate,
];

test('spans stand below their parents in the order of their beginning, once each', () => {
  expect(traceTree(spans, { color: false, unicode: true, live: false, width: 80 })).toEqual([
    'invoke_workflow debugging    success    12.9 s',
    '├─ invoke_agent claude_code  attempt 1   3.9 s',
    '│  └─ chat                               0.1 s',
    '└─ gate test                 failed      0.4 s',
  ]);
});

test('a span whose parent never came is shown too', () => {
  expect(traceTree([gate], { color: false, unicode: false, live: false, width: 80 })).toEqual(['gate test  failed  0.4 s']);
});

test('no spans make no tree', () => {
  expect(traceTree([], { color: false, unicode: true, live: false, width: 80 })).toEqual([]);
});

test('in full, each span is followed by all that it says', () => {
  const link = { traceId: 't', spanId: 'a', attributes: { 'singletree.link': 'previous_attempt' } };
  const again = span('b', 'invoke_agent claude_code', [5_000, 6_000], {
    parentSpanId: 'r',
    links: [link],
    attributes: { sum: 7, tags: ['a', 'b'] },
  });
  const root = span('r', 'invoke_workflow', [0, 9_000], { attributes: { 'a.name': 'a\u001b[31m', ok: true } });
  expect(traceTreeInFull([root, again], { color: false, unicode: true, live: false, width: 80 })).toEqual([
    'invoke_workflow                9.0 s',
    '│    a.name  a',
    '│    ok      true',
    '└─ invoke_agent claude_code    1.0 s',
    '        sum   7',
    '        tags  ["a","b"]',
    '        link  previous_attempt a',
  ]);
});
