import { z } from 'zod';
import { configurationSchema } from './schema.ts';

type Path = readonly (string | number)[];

/** The keys that may stand at a place of the configuration; none where any may, or where there is a value. */
export function knownKeys(path: Path): readonly string[] {
  let at: unknown = configurationSchema;
  for (const key of path) at = asMapping(below(at, String(key)));
  return keysOf(at);
}

/** Every value that can be set by itself, by the path of its keys. Harnesses have the ids that are given. */
export function valuePaths(harnessIds: readonly string[]): readonly (readonly string[])[] {
  const under = (schema: unknown, path: readonly string[]): readonly (readonly string[])[] => {
    const keys = path.join() === 'harnesses' ? harnessIds : keysOf(schema);
    return keys.length === 0 ? [path] : keys.flatMap((key) => under(below(schema, key), [...path, key]));
  };
  return under(configurationSchema, []);
}

function keysOf(schema: unknown): readonly string[] {
  const inner = within(schema);
  if (inner instanceof z.ZodObject) return Object.keys(inner.shape);
  const names: unknown = inner instanceof z.ZodRecord ? inner.keyType : undefined;
  return names instanceof z.ZodEnum ? names.options.map(String) : [];
}

function below(schema: unknown, key: string): unknown {
  const inner = within(schema);
  if (inner instanceof z.ZodObject) return inner.shape[key];
  if (inner instanceof z.ZodArray) return inner.element;
  return inner instanceof z.ZodRecord ? inner.valueType : undefined;
}

/** Of what may be one word or a mapping, the mapping. */
function asMapping(schema: unknown): unknown {
  const inner = within(schema);
  return inner instanceof z.ZodUnion ? inner.options.find((option) => option instanceof z.ZodObject) : inner;
}

/** Without what only says that it may be left out. */
function within(schema: unknown): unknown {
  const isOptional = schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional;
  return isOptional ? within(schema.unwrap()) : schema;
}
