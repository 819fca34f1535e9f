import type { DescMessage, Message } from '@bufbuild/protobuf';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import type { ConnectError, Interceptor } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { ErrorReason } from '@singletree/protocol';
import { DomainError } from '../errors.ts';
import { isFault, toConnectError } from './connect-error.ts';

const validator = createValidator();

/** Everything that holds for each call: its request keeps the rules of the proto files, and its error has a code and one reason. */
export function edge(log: Logger): Interceptor {
  return (next) => async (request) => {
    try {
      if (!request.stream) check(request.method.input, request.message);
      // The request of a server stream is a stream of one message.
      const response = await next(request.stream ? { ...request, message: checked(request.method.input, request.message) } : request);
      return response.stream ? { ...response, message: guarded(response.message, log) } : response;
    } catch (error) {
      throw translated(error, log);
    }
  };
}

async function* checked<T extends Message>(schema: DescMessage, messages: AsyncIterable<T>): AsyncIterable<T> {
  for await (const message of messages) {
    check(schema, message);
    yield message;
  }
}

async function* guarded<T>(messages: AsyncIterable<T>, log: Logger): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw translated(error, log);
  }
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
