import { expect, test } from 'vitest';
import { attemptSpanId, gateSpanId, rootSpanId, traceContext, traceOf, validSpanId } from './trace.ts';

const id = '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c';
const own = { traceId: '0199c1d47f3a7b11a2c40d9e8f7a6b5c' };
const caller = '4bf92f3577b34da6a3ce929d0e0e4736';

function traceFor(traceparent?: string): unknown {
  return traceOf({ id, spec: traceparent === undefined ? {} : { traceparent } });
}

test('a trace id is the bytes of the task id', () => {
  expect(traceFor()).toEqual(own);
});

test.each([
  ['sampled', `00-${caller}-00f067aa0ba902b7-01`],
  ['not sampled, which suppresses nothing', `00-${caller}-00f067aa0ba902b7-00`],
  ['of a later version with more fields', `cc-${caller}-00f067aa0ba902b7-01-what-the-future-holds`],
])("the caller's trace goes on: %s", (_, traceparent) => {
  expect(traceFor(traceparent)).toEqual({ traceId: caller, parentSpanId: '00f067aa0ba902b7' });
});

test.each([
  '',
  'nonsense',
  `00-${caller}-00f067aa0ba902b7`,
  `00-${caller}-00f067aa0ba902b7-1`,
  `00-${caller}-00f067aa0ba902b7-01-more`,
  `ff-${caller}-00f067aa0ba902b7-01`,
  `00-${caller.toUpperCase()}-00f067aa0ba902b7-01`,
  `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  `00-${caller}-${'0'.repeat(16)}-01`,
  `00-${caller.slice(1)}-00f067aa0ba902b7-01`,
  ` 00-${caller}-00f067aa0ba902b7-01\n`,
])('a malformed traceparent is ignored: %j', (traceparent) => {
  expect(traceFor(traceparent)).toEqual(own);
});

test('a task id that is no UUID is a bug that is named', () => {
  expect(() => traceOf({ id: 'task-1', spec: {} })).toThrow('task id "task-1" is not a UUID');
});

// By `printf '0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c/agent/1' | sha256sum | cut -c1-16`.
test('span ids are the first 8 bytes of a SHA-256 over task, role and ordinal', () => {
  expect([rootSpanId(id), attemptSpanId(id, 1), attemptSpanId(id, 2), gateSpanId(id, 1, 0), gateSpanId(id, 12, 3)]).toEqual([
    '21665d5beee43383',
    '077d785da6190bfa',
    'ee97e5de1dc2b0af',
    'fe3643027f89a5e6',
    '41599ee5f32800ee',
  ]);
});

test('a span id is never all zeroes, which would mean none', () => {
  expect(validSpanId('0000000000000000')).toBe('0000000000000001');
  expect(validSpanId('00f067aa0ba902b7')).toBe('00f067aa0ba902b7');
});

test("a process hears of its span in the task's trace, and of the caller's state only where the caller's trace goes on", () => {
  const span = attemptSpanId(id, 1);
  const context = (spec: { traceparent?: string; tracestate?: string }) => traceContext({ id, spec }, span);
  expect(context({})).toEqual({ traceparent: `00-${own.traceId}-${span}-01` });
  expect(context({ traceparent: `00-${caller}-00f067aa0ba902b7-00`, tracestate: 'a=1' })).toEqual({
    traceparent: `00-${caller}-${span}-01`,
    tracestate: 'a=1',
  });
  expect(context({ traceparent: 'nonsense', tracestate: 'a=1' })).toEqual({ traceparent: `00-${own.traceId}-${span}-01` });
});
