import { expect, test } from 'vitest';
import { callersTrace } from './callers-trace.ts';

const [ours, theirs] = [
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00',
];

test.each([
  ['nothing is said', {}, {}, {}],
  ['the request says it', { traceparent: ours, tracestate: 'a=1' }, {}, { traceparent: ours, tracestate: 'a=1' }],
  ['the call says it', {}, { traceparent: theirs, tracestate: 'b=2' }, { traceparent: theirs, tracestate: 'b=2' }],
  ['both do: a state belongs to its own trace', { traceparent: ours }, { traceparent: theirs, tracestate: 'b=2' }, { traceparent: ours }],
  ['a state stands alone', { tracestate: 'a=1' }, { tracestate: 'b=2' }, {}],
  ['a header is malformed', {}, { traceparent: `${theirs}-more` }, {}],
  ['a state is too long', {}, { traceparent: theirs, tracestate: 'x'.repeat(513) }, { traceparent: theirs }],
])('%s', (_, request, headers, expected) => {
  expect(callersTrace(request, new Headers(headers))).toEqual(expected);
});
