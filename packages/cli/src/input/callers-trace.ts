import type { CreateTask } from '@singletree/sdk';

/**
 * The trace that the command was called in, such as a step of a pipeline: the task's goes on in it. A variable that is malformed counts as none, as
 * W3C Trace Context demands. https://opentelemetry.io/docs/specs/otel/context/env-carriers/
 */
export function callersTrace({
  TRACEPARENT: traceparent = '',
  TRACESTATE: tracestate = '',
}: NodeJS.ProcessEnv): Pick<CreateTask, 'traceparent' | 'tracestate'> {
  if (!/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)) return {};
  return /^[ -~]{1,512}$/.test(tracestate) ? { traceparent, tracestate } : { traceparent };
}
