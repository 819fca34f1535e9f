import type { ReceivedSpan } from '@singletree/testing';
import { expect, test } from 'vitest';
import { traceTree } from './trace-tree.ts';

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
