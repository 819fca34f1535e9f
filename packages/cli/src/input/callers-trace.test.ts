import { expect, test } from 'vitest';
import { callersTrace } from './callers-trace.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test.each([
  [{}, {}],
  [{ TRACEPARENT }, { traceparent: TRACEPARENT }],
  [
    { TRACEPARENT, TRACESTATE: 'a=1' },
    { traceparent: TRACEPARENT, tracestate: 'a=1' },
  ],
  [{ TRACEPARENT, TRACESTATE: 'a=\n' }, { traceparent: TRACEPARENT }],
  [{ TRACEPARENT: 'nonsense', TRACESTATE: 'a=1' }, {}],
  [{ TRACESTATE: 'a=1' }, {}],
])('of %j', (environment, expected) => {
  expect(callersTrace(environment)).toEqual(expected);
});
