import type { DescMessage, Message } from '@bufbuild/protobuf';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { ErrorReason } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import { callKey } from './call.ts';
import { isFault, toConnectError, toRequestError } from './connect-error.ts';

const validator = createValidator();

export interface EdgeParts {
  readonly log: Logger;
  /** Aborted when the daemon stops. What runs then may still be answered. */
  readonly shutdown: AbortSignal;
  /** How long the reader of a stream may take nothing while something waits for it. */
  readonly slowReaderMs: number;
}

/**
 * Everything that holds for each call: its request keeps the rules of the proto files, it is answered in the time that its caller gave it, and
 * its error has a code and one reason.
 */
export function edge(parts: EdgeParts): Interceptor {
  return (next) => async (request) => {
    const call = request.contextValues.get(callKey);
    const enter = (): void => {
      if (call) call.entered = true;
    };
    try {
      if (request.stream) {
        const response = await next({ ...request, message: checked(request.method.input, request.message, enter) });
        return response.stream ? { ...response, message: guarded(response.message, request.signal, parts) } : response;
      }
      check(request.method.input, request.message);
      enter();
      return await inTime(next(request), request.signal, parts.shutdown);
    } catch (error) {
      throw translated(error, parts.log);
    }
  };
}

/** The request of a server stream is a stream of one message. */
async function* checked<T extends Message>(schema: DescMessage, messages: AsyncIterable<T>, enter: () => void): AsyncIterable<T> {
  const each = messages[Symbol.asyncIterator]();
  for (;;) {
    const next = await each.next().catch((error: unknown) => {
      throw toRequestError(error);
    });
    if (next.done === true) return;
    check(schema, next.value);
    enter();
    yield next.value;
  }
}

/** Waits no longer than the caller does. What the call has begun it may end: nobody hears of it. */
async function inTime<T>(answer: Promise<T>, signal: AbortSignal, shutdown: AbortSignal): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    if (!shutdown.aborted) reject(endOf(signal));
  };
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([answer, over]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function* guarded<T>(messages: AsyncIterable<T>, signal: AbortSignal, { log, slowReaderMs }: EdgeParts): AsyncIterable<T> {
  let sequence: bigint | undefined;
  try {
    for await (const message of messages) {
      const since = performance.now();
      yield message;
      sequence = lastSequence(message) ?? sequence;
      if (performance.now() - since > slowReaderMs) throw slowReader(slowReaderMs, sequence);
    }
    // A stream that its caller or the end of the daemon cut short is not one that has told everything.
    if (signal.aborted) throw endOf(signal);
  } catch (error) {
    throw translated(error, log);
  }
}

function endOf(signal: AbortSignal): ConnectError {
  const reason: unknown = signal.reason;
  return reason instanceof ConnectError ? reason : new ConnectError('the call was given up', Code.Canceled);
}

function slowReader(ms: number, sequence: bigint | undefined): DomainError {
  const after = sequence === undefined ? {} : { after_sequence: String(sequence) };
  const hint = sequence === undefined ? 'ask again, and read faster' : `watch again with after_sequence ${sequence}`;
  return new DomainError('SLOW_READER', `nothing of this stream was read for ${ms / 1_000} s`, { hint, metadata: after });
}

/** Of the task events in a message, where it has some. */
function lastSequence(message: unknown): bigint | undefined {
  const events = isObject(message) && 'events' in message && Array.isArray(message.events) ? message.events : [];
  const last: unknown = events.at(-1);
  return isObject(last) && 'sequence' in last && typeof last.sequence === 'bigint' ? last.sequence : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function translated(error: unknown, log: Logger): ConnectError {
  if (isFault(error)) log.error({ err: error }, 'a call failed');
  return toConnectError(error);
}

/** Throws the reason of the first rule that is broken: the rule's own id where that is one of ours. */
function check(schema: DescMessage, message: Message): void {
  const result = validator.validate(schema, message);
  if (result.kind === 'valid') return;
  if (result.kind === 'error') throw result.error;
  const violation = result.violations[0];
  const field = violation ? fieldOf(violation) : '';
  const reason = violation && violation.ruleId in ErrorReason ? violation.ruleId : 'INVALID_REQUEST';
  throw new DomainError(reason, [field, violation?.message ?? 'not valid'].filter(Boolean).join(': '), { metadata: { field } });
}

function fieldOf(violation: Violation): string {
  return violation.field
    .map((part, index) =>
      'kind' in part
        ? part.kind === 'field' || part.kind === 'oneof'
          ? `${index > 0 ? '.' : ''}${part.name}`
          : `[${String('index' in part ? part.index : 'key' in part ? part.key : '')}]`
        : '',
    )
    .join('');
}
