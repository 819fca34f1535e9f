import type { Attributes } from '@opentelemetry/api';
import { conventions } from './conventions.ts';
import { ownAttributes } from './registry.ts';

/** What a value may be. None of them holds prose. */
export type AttributeKind = 'id' | 'enum' | 'name' | 'number' | 'boolean';

/**
 * Everything that a span or a point may say, and what kind of value it is. An allow-list: what is not here cannot be set. Titles, labels,
 * prompts, messages, summaries and paths have no name here, so they cannot leave.
 */
const kinds = { ...conventions, ...ownAttributes } as const satisfies Record<string, AttributeKind>;
const kindOf: Readonly<Record<string, AttributeKind | undefined>> = kinds;

type ValueOf<K extends AttributeKind> = K extends 'number' ? number : K extends 'boolean' ? boolean : string;
export type AttributeValues = { readonly [Name in keyof typeof kinds]?: ValueOf<(typeof kinds)[Name]> | undefined };

export const attributeNames: readonly string[] = Object.keys(kinds).sort();

/**
 * The attributes of a span. What is unknown is absent. A value that is not of its name's kind is left out too: much of it comes
 * from a CLI's own output, and a sentence or a path where an id belongs is content.
 */
export function attributesOf(values: AttributeValues): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(values)) {
    const fit = ofKind(kindOf[name], value);
    if (fit !== undefined) attributes[name] = fit;
  }
  return attributes;
}

/** A name that may stand in an attribute or in the name of a span: one line of at most 128 characters. */
export function nameOf(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
  return Array.from(line).slice(0, 128).join('');
}

function ofKind(kind: AttributeKind | undefined, value: string | number | boolean | undefined): string | number | boolean | undefined {
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'enum':
      return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value) ? value : undefined;
    case 'id':
      return typeof value === 'string' && /^[\w.:-]{1,256}$/.test(value) ? value : undefined;
    case 'name':
      return typeof value === 'string' && nameOf(value) !== '' ? nameOf(value) : undefined;
    case undefined:
      return undefined;
  }
}
