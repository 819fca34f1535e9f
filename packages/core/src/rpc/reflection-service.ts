import {
  create,
  createRegistry,
  fromBinary,
  toBinary,
  type DescExtension,
  type DescFile,
  type DescService,
  type MessageInitShape,
  type Registry,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectRouter } from '@connectrpc/connect';
import {
  reflectionV1alpha,
  ServerReflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '@singletree/protocol';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/**
 * Tells of the services, and of itself, in the words of the proto files, so that tools need none of these. In both versions of the protocol, whose
 * messages have the same bytes.
 */
export function reflect(router: ConnectRouter, services: readonly DescService[]): void {
  const old = reflectionV1alpha;
  const answer = reflection([...services, ServerReflection, old.ServerReflection]);
  router.service(ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) yield answer(request);
    },
  });
  router.service(old.ServerReflection, {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        const asked = fromBinary(ServerReflectionRequestSchema, toBinary(old.ServerReflectionRequestSchema, request));
        yield fromBinary(old.ServerReflectionResponseSchema, toBinary(ServerReflectionResponseSchema, answer(asked)));
      }
    },
  });
}

/** Answers single questions about services. */
export function reflection(services: readonly DescService[]): (request: ServerReflectionRequest) => ServerReflectionResponse {
  const files = withDependencies(services.map(({ file }) => file));
  const registry = createRegistry(...files);
  const answerTo = (asked: ServerReflectionRequest['messageRequest']): Answer => {
    switch (asked.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: services.map(({ typeName }) => ({ name: typeName })) } };
      case 'fileByFilename':
        return described(files.find(({ proto }) => proto.name === asked.value));
      case 'fileContainingSymbol':
        return described(fileOf(asked.value, registry));
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = asked.value;
        return described(extensionsOf(containingType, registry).find(({ number }) => number === extensionNumber)?.file);
      }
      case 'allExtensionNumbersOfType': {
        if (!registry.getMessage(asked.value)) return failed(Code.NotFound, 'there is no such message');
        const extensionNumber = extensionsOf(asked.value, registry).map(({ number }) => number);
        return { case: 'allExtensionNumbersResponse', value: { baseTypeName: asked.value, extensionNumber } };
      }
      case undefined:
        return failed(Code.InvalidArgument, 'nothing was asked for');
    }
  };
  return (request) =>
    create(ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: answerTo(request.messageRequest),
    });
}

/** Each file after those that it imports. */
function withDependencies(files: readonly DescFile[]): readonly DescFile[] {
  return [...new Set(files.flatMap((file) => [...withDependencies(file.dependencies), file]))];
}

/** Of a type, or of what stands in one: a method, a field. */
function fileOf(symbol: string, registry: Registry): DescFile | undefined {
  return (registry.get(symbol) ?? registry.get(symbol.replace(/\.[^.]*$/, '')))?.file;
}

function extensionsOf(message: string, registry: Registry): readonly DescExtension[] {
  return [...registry].filter((type) => type.kind === 'extension').filter(({ extendee }) => extendee.typeName === message);
}

/** With what it imports: most tools would ask for that next. */
function described(file: DescFile | undefined): Answer {
  if (!file) return failed(Code.NotFound, 'there is no such file or symbol');
  const all = withDependencies([file]).toReversed();
  return {
    case: 'fileDescriptorResponse',
    value: { fileDescriptorProto: all.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function failed(code: Code, message: string): Answer {
  return { case: 'errorResponse', value: { errorCode: code, errorMessage: message } };
}
