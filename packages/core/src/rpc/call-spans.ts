import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Span, type TextMapGetter, type Tracer } from '@opentelemetry/api';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { codeToString } from '@connectrpc/connect/protocol-connect';

/** What of a call is our own fault, as the conventions for servers have it. */
const faults: readonly Code[] = [Code.Unknown, Code.DeadlineExceeded, Code.Unimplemented, Code.Internal, Code.Unavailable, Code.DataLoss];

const headers: TextMapGetter<Headers> = { get: (carrier, key) => carrier.get(key) ?? undefined, keys: (carrier) => [...carrier.keys()] };

/**
 * A span for each call, under the caller's own where it sends a traceparent; of a stream until its end. It says which method and how it ended, never
 * what was asked or answered: https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/
 */
export function callSpans(tracer: Tracer): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    const isGrpc = request.header.get('content-type')?.startsWith('application/grpc') === true;
    const span = tracer.startSpan(
      method,
      { kind: SpanKind.SERVER, attributes: { 'rpc.system.name': isGrpc ? 'grpc' : 'connectrpc', 'rpc.method': method } },
      propagation.extract(ROOT_CONTEXT, request.header, headers),
    );
    const end: End = (error) => endWith(span, isGrpc, error);
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: until(response.message, end) };
      end();
      return response;
    } catch (error) {
      end(error);
      throw error;
    }
  };
}

type End = (error?: unknown) => void;

async function* until<T>(messages: AsyncIterable<T>, end: End): AsyncIterable<T> {
  try {
    yield* messages;
    end();
  } catch (error) {
    end(error);
    throw error;
  } finally {
    // The client has gone: nothing was thrown, and nobody reads on.
    end();
  }
}

/** A span that has ended stays as it is. */
function endWith(span: Span, isGrpc: boolean, error: unknown): void {
  if (!span.isRecording()) return;
  if (error === undefined) {
    if (isGrpc) span.setAttribute('rpc.response.status_code', 'OK');
  } else {
    const { code } = ConnectError.from(error);
    const word = codeToString(code);
    span.setAttributes({ 'rpc.response.status_code': isGrpc ? word.toUpperCase() : word, 'error.type': word });
    if (faults.includes(code)) span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
