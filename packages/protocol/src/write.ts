import { isMessage, toJson, type DescEnum, type DescField } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage } from '@bufbuild/protobuf/reflect';
import { base64Encode } from '@bufbuild/protobuf/wire';
import {
  DurationSchema,
  FeatureSet_FieldPresence as Presence,
  timestampDate,
  TimestampSchema,
  type Duration,
} from '@bufbuild/protobuf/wkt';

/** How messages are written as data. What is absent is left out; lists and maps are always there. */
export interface Form {
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

/**
 * As programs read it, from the command line and from an export alike: names as in the proto files, enum values as words, 64-bit integers as
 * numbers, times in RFC 3339 with milliseconds.
 */
export const jsonForm: Form = {
  key: (field) => field.name,
  time: (date) => date.toISOString(),
  duration: (duration) => toJson(DurationSchema, duration),
  bytes: (bytes) => base64Encode(bytes),
  emptyText: false,
  cases: false,
  written: () => {},
};

/** A message as plain data. */
export function write(message: ReflectMessage, form: Form): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  for (const field of message.fields) {
    if (isPresent(message, field, form)) data[form.key(field)] = writeField(message, field, form);
  }
  if (form.cases) for (const oneof of message.desc.oneofs) data[oneof.localName] = message.oneofCase(oneof)?.name ?? 'unknown';
  form.written(data, message);
  return data;
}

/** The word of the documentation for an enum value: `in_progress`. A value that a newer daemon invented is its number. */
export function toWord(type: DescEnum, value: number): string {
  return type.value[value]?.localName.toLowerCase() ?? String(value);
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
