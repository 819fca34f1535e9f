import { createRegistry, isMessage, type DescMessage, type Message, type MessageJsonType, type MessageShape } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { DurationSchema, durationMs } from '@bufbuild/protobuf/wkt';
import {
  file_singletree_v1_completion,
  file_singletree_v1_completion_service,
  file_singletree_v1_control_service,
  file_singletree_v1_daemon_service,
  file_singletree_v1_harness_service,
  file_singletree_v1_task,
  file_singletree_v1_task_event,
  file_singletree_v1_task_service,
  file_singletree_v1_telemetry_service,
  jsonForm,
  write,
  type Form,
} from '@singletree/protocol';
import type { Plain } from './plain.ts';

/** The message that each plain object was made from, so that the same data can be written in the other form. */
const origins = new WeakMap<object, ReflectMessage>();

const plain: Form = {
  key: (field) => (field.message?.typeName === DurationSchema.typeName ? `${field.localName}Ms` : field.localName),
  time: (date) => date,
  duration: durationMs,
  bytes: (bytes) => bytes,
  emptyText: true,
  cases: true,
  written: (data, message) => void origins.set(data, message),
};

const registry = createRegistry(
  file_singletree_v1_completion,
  file_singletree_v1_completion_service,
  file_singletree_v1_control_service,
  file_singletree_v1_daemon_service,
  file_singletree_v1_harness_service,
  file_singletree_v1_task,
  file_singletree_v1_task_event,
  file_singletree_v1_task_service,
  file_singletree_v1_telemetry_service,
);

/** A message of the protocol as plain data. */
export function toPlain<S extends DescMessage>(schema: S, message: MessageShape<S>): Plain<MessageShape<S>, MessageJsonType<S>>;
export function toPlain(schema: DescMessage, message: Message): object {
  return write(reflect(schema, message), plain);
}

/**
 * What the SDK returned (a task, an event, a completion event, anything inside them) as the command line prints it with `--json`: names as
 * in the proto files, enum values as words, 64-bit integers as numbers, times in RFC 3339 with milliseconds. What is absent is unknown.
 * Also takes a message of a generated client. Throws a `TypeError` for a copy of such an object, which has lost where it comes from.
 */
export function toJson(value: object): Record<string, unknown> {
  const message = origins.get(value) ?? generated(value);
  if (!message) throw new TypeError('toJson takes an object that this SDK returned, not a copy of one');
  return write(message, jsonForm);
}

function generated(value: object): ReflectMessage | undefined {
  if (!isMessage(value)) return undefined;
  const schema = registry.getMessage(value.$typeName);
  return schema && reflect(schema, value);
}
