import {
  createRegistry,
  isMessage,
  toJson as toProtoJson,
  type DescField,
  type DescMessage,
  type Message,
  type MessageJsonType,
  type MessageShape,
} from '@bufbuild/protobuf';
import { isReflectMessage, reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import {
  DurationSchema,
  durationMs,
  FeatureSet_FieldPresence as Presence,
  timestampDate,
  TimestampSchema,
  type Duration,
} from '@bufbuild/protobuf/wkt';
import {
  file_singletree_v1_completion,
  file_singletree_v1_control_service,
  file_singletree_v1_daemon_service,
  file_singletree_v1_harness_service,
  file_singletree_v1_task,
  file_singletree_v1_task_event,
  file_singletree_v1_task_service,
  file_singletree_v1_telemetry_service,
} from '@singletree/protocol';
import type { Plain } from './plain.ts';
import { toWord } from './words.ts';

/** How messages are written as data. What is absent is left out; lists and maps are always there. */
interface Form {
  key(field: DescField): string;
  time(date: Date): unknown;
  duration(duration: Duration): unknown;
  bytes(bytes: Uint8Array): unknown;
  /** Whether a text that was left empty is written. */
  readonly emptyText: boolean;
  /** Whether a one-of also says, in a word, which of its fields is set. */
  readonly cases: boolean;
  written(data: object, message: ReflectMessage): void;
}

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

const json: Form = {
  key: (field) => field.name,
  time: (date) => date.toISOString(),
  duration: (duration) => toProtoJson(DurationSchema, duration),
  bytes: (bytes) => Buffer.from(bytes).toString('base64'),
  emptyText: false,
  cases: false,
  written: () => {},
};

const registry = createRegistry(
  file_singletree_v1_completion,
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
  return write(message, json);
}

function generated(value: object): ReflectMessage | undefined {
  if (!isMessage(value)) return undefined;
  const schema = registry.getMessage(value.$typeName);
  return schema && reflect(schema, value);
}

function write(message: ReflectMessage, form: Form): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  for (const field of message.fields) {
    if (isPresent(message, field, form)) data[form.key(field)] = writeField(message, field, form);
  }
  if (form.cases) for (const oneof of message.desc.oneofs) data[oneof.localName] = message.oneofCase(oneof)?.name ?? 'unknown';
  form.written(data, message);
  return data;
}

function isPresent(message: ReflectMessage, field: DescField, form: Form): boolean {
  if (message.isSet(field) || field.fieldKind === 'list' || field.fieldKind === 'map') return true;
  // What is left is either absent, or has a presence of its own and its zero value: an enum's zero means "unspecified".
  if (field.fieldKind !== 'scalar' || field.presence !== Presence.IMPLICIT) return false;
  return typeof message.get(field) !== 'string' || form.emptyText;
}

function writeField(message: ReflectMessage, field: DescField, form: Form): unknown {
  switch (field.fieldKind) {
    case 'list':
      return Array.from(message.get(field), (item) => writeValue(field, item, form));
    case 'map':
      return Object.fromEntries(Array.from(message.get(field), ([key, item]) => [String(key), writeValue(field, item, form)]));
    case 'enum':
    case 'message':
    case 'scalar':
      return writeValue(field, message.get(field), form);
  }
}

function writeValue(field: DescField, value: unknown, form: Form): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return form.bytes(value);
  if (typeof value === 'number' && field.enum) return toWord(field.enum, value);
  if (!isReflectMessage(value)) return value;
  if (isMessage(value.message, TimestampSchema)) return form.time(timestampDate(value.message));
  if (isMessage(value.message, DurationSchema)) return form.duration(value.message);
  return write(value, form);
}
