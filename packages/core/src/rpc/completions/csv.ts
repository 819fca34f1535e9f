import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { jsonForm, TaskCompletionEventSchema, write, type TaskCompletionEvent } from '@singletree/protocol';

/**
 * One column for each field that is a single value, in the order of the proto file; the fields of a message inside stand under its name. Lists of words
 * and maps are one column each, their items with a space between. What a task left behind is a list of records, which a table has no place for.
 */
const columns: readonly (readonly string[])[] = columnsOf(TaskCompletionEventSchema, []);

function columnsOf(schema: DescMessage, path: readonly string[]): (readonly string[])[] {
  return schema.fields.flatMap((field) => {
    const here = [...path, field.name];
    if (isListOfMessages(field)) return [];
    if (field.fieldKind !== 'message' || field.message.typeName === TimestampSchema.typeName) return [here];
    return columnsOf(field.message, here);
  });
}

function isListOfMessages(field: DescField): boolean {
  return field.fieldKind === 'list' && field.listKind === 'message';
}

export const csvHeader: string = lineOf(columns.map((path) => path.join('_')));

/** A completion event as a line of RFC 4180. What is absent is empty, which is not 0. */
export function csvLineOf(event: TaskCompletionEvent): string {
  const data = write(reflect(TaskCompletionEventSchema, event), jsonForm);
  return lineOf(columns.map((path) => cellOf(path.reduce<unknown>(memberOf, data))));
}

function memberOf(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function cellOf(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : quoted(harmless(textOf(value)));
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.join(' ');
  const pairs = isRecord(value) ? Object.entries(value) : [];
  return pairs.map(([key, item]) => `${key}=${String(item)}`).join(' ');
}

/**
 * A spreadsheet takes text that begins with one of these for a formula, and runs it; what an agent says of its work often begins with a dash. An
 * apostrophe before it is how a spreadsheet itself marks text: https://owasp.org/www-community/attacks/CSV_Injection
 */
function harmless(text: string): string {
  return /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function lineOf(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}
