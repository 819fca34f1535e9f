import { create, createFileRegistry, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import {
  DaemonService,
  Health,
  reflectionV1alpha,
  ServerReflection,
  ServerReflectionRequestSchema,
  TaskService,
} from '@singletree/protocol';
import { describe, expect, test } from 'vitest';
import { reflect, reflection } from './reflection-service.ts';

const answer = reflection([TaskService, DaemonService]);
const ask = (messageRequest: NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>) =>
  answer(create(ServerReflectionRequestSchema, { host: 'here', messageRequest }));

/** The names of the files that were told, in their order. */
function filesOf({ messageResponse }: ReturnType<typeof answer>): string[] {
  if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(JSON.stringify(messageResponse));
  return messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

describe('reflection', () => {
  test('lists the services', () => {
    const service = [{ name: 'singletree.v1.TaskService' }, { name: 'singletree.v1.DaemonService' }];
    const asked = { messageRequest: { case: 'listServices', value: '' } };
    expect(ask({ case: 'listServices', value: '' })).toMatchObject({
      validHost: 'here',
      originalRequest: asked,
      messageResponse: { case: 'listServicesResponse', value: { service } },
    });
  });

  test.each([
    ['singletree.v1.TaskService', 'singletree/v1/task_service.proto'],
    ['singletree.v1.TaskService.CreateTask', 'singletree/v1/task_service.proto'],
    ['singletree.v1.Task', 'singletree/v1/task.proto'],
    ['singletree.v1.Task.title', 'singletree/v1/task.proto'],
    ['singletree.v1.TaskState', 'singletree/v1/task.proto'],
    ['google.protobuf.Timestamp', 'google/protobuf/timestamp.proto'],
    ['buf.validate.field', 'buf/validate/validate.proto'],
  ])('tells where %s stands, with what its file imports', (symbol, file) => {
    const files = filesOf(ask({ case: 'fileContainingSymbol', value: symbol }));
    expect(files[0]).toBe(file);
    expect(filesOf(ask({ case: 'fileByFilename', value: file }))).toEqual(files);
  });

  test('tells enough to build the messages from it', () => {
    const response = ask({ case: 'fileContainingSymbol', value: 'singletree.v1.TaskService' }).messageResponse;
    const protos = response.case === 'fileDescriptorResponse' ? response.value.fileDescriptorProto : [];
    const file = protos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)).toReversed();
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
    const schema = registry.getMessage('singletree.v1.GetTaskRequest')!;
    const [field] = schema.fields;
    expect(field).toMatchObject({ number: 1, jsonName: 'taskId' });
    expect(registry.getService('singletree.v1.TaskService')?.methods.map(({ name }) => name)).toContain('WatchTask');
    expect(toBinary(schema, create(schema))).toHaveLength(0);
  });

  test('knows the extensions', () => {
    const value = { containingType: 'google.protobuf.FieldOptions', extensionNumber: 1159 };
    expect(filesOf(ask({ case: 'fileContainingExtension', value }))[0]).toBe('buf/validate/validate.proto');
    const numbers = ask({ case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' });
    expect(numbers.messageResponse).toMatchObject({
      value: { baseTypeName: 'google.protobuf.FieldOptions', extensionNumber: expect.arrayContaining([1159]) as unknown },
    });
  });

  test.each([
    { case: 'fileByFilename', value: '/etc/passwd' },
    { case: 'fileContainingSymbol', value: 'none' },
    { case: 'fileContainingSymbol', value: '' },
    { case: 'fileContainingExtension', value: { containingType: 'singletree.v1.Task', extensionNumber: 1 } },
    { case: 'allExtensionNumbersOfType', value: 'none.Type' },
  ] as const)('says of what is not there that it is not: %j', (asked) => {
    expect(ask(asked).messageResponse).toMatchObject({ case: 'errorResponse', value: { errorCode: 5 } });
  });

  test.each([
    ['v1', ServerReflection],
    ['v1alpha', reflectionV1alpha.ServerReflection],
  ] as const)('%s answers question after question, and knows itself', async (_, service) => {
    const transport = createRouterTransport((router) => reflect(router, [TaskService, Health]));
    const client = createClient(service, transport);
    const asked = [{ listServices: '' }, { fileContainingSymbol: service.typeName }];
    const questions = (async function* () {
      for (const question of asked)
        yield {
          messageRequest:
            question.listServices === undefined
              ? { case: 'fileContainingSymbol' as const, value: question.fileContainingSymbol }
              : { case: 'listServices' as const, value: question.listServices },
        };
    })();
    const answers: unknown[] = [];
    for await (const { messageResponse } of client.serverReflectionInfo(questions)) answers.push(messageResponse);
    expect(answers).toMatchObject([
      {
        case: 'listServicesResponse',
        value: { service: expect.arrayContaining([expect.objectContaining({ name: service.typeName })]) as unknown },
      },
      { case: 'fileDescriptorResponse' },
    ]);
  });
});
