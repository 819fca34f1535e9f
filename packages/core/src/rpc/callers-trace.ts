import type { TaskSpec } from '../task/task.ts';

interface TraceHeaders {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** What the proto file demands of the fields: a header that somebody's instrumentation has set must fail no call. */
const traceparentShape = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const tracestateShape = /^[ -~]{1,512}$/;

/** The trace that the task is created in: the request's own, else that of the call, which instrumented clients send as headers. */
export function callersTrace(request: TraceHeaders, headers: Headers): Pick<TaskSpec, 'traceparent' | 'tracestate'> {
  const { traceparent = '', tracestate = '' } = request.traceparent === undefined ? readHeaders(headers) : request;
  if (!traceparentShape.test(traceparent)) return {};
  return tracestateShape.test(tracestate) ? { traceparent, tracestate } : { traceparent };
}

function readHeaders(headers: Headers): TraceHeaders {
  return { traceparent: headers.get('traceparent') ?? undefined, tracestate: headers.get('tracestate') ?? undefined };
}
