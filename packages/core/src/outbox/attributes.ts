import type { Attributes } from '@opentelemetry/api';
import { conventions } from './conventions.ts';
import { redactor, type Redact } from './redaction.ts';
import { ownAttributes } from './registry.ts';

/** What a value may be. Only `text` and `texts` hold prose, and are content. */
export type AttributeKind = 'id' | 'enum' | 'name' | 'number' | 'boolean' | 'text' | 'texts';

/** What may leave beside ids, words of ours and numbers. */
export interface Privacy {
  /** Whether content does. */
  readonly content: boolean;
  /** Takes out of a name or a text what must not leave. */
  readonly redact: Redact;
}

export const withoutContent: Privacy = { content: false, redact: redactor() };

/**
 * Everything that a span or a point may say, and what kind of value it is. An allow-list: what is not here cannot be set. Prompts and code
 * have no name here, so they cannot leave; titles, labels, messages, summaries and paths have one that is left out unless content may leave.
 */
const kinds = { ...conventions, ...ownAttributes } as const satisfies Record<string, AttributeKind>;
const kindOf: Readonly<Record<string, AttributeKind | undefined>> = kinds;

type ValueOf<K extends AttributeKind> = K extends 'number'
  ? number
  : K extends 'boolean'
    ? boolean
    : K extends 'texts'
      ? readonly string[]
      : string;
export type AttributeValues = { readonly [Name in keyof typeof kinds]?: ValueOf<(typeof kinds)[Name]> | undefined };

export const attributeNames: readonly string[] = Object.keys(kinds).sort();

/**
 * The attributes of a span. What is unknown is absent. A value that is not of its name's kind is left out too: much of it comes
 * from a CLI's own output, and a sentence or a path where an id belongs is content.
 */
export function attributesOf(values: AttributeValues, privacy: Privacy = withoutContent): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(values)) {
    const fit = ofKind(kindOf[name], value, privacy);
    if (fit !== undefined) attributes[name] = fit;
  }
  return attributes;
}

/** A name that may stand in an attribute or in the name of a span: one line of at most 128 characters. */
export function nameOf(text: string, redact: Redact = withoutContent.redact): string {
  return lineOf(redact(beginningOf(text)), 128);
}

/** Labels that were written earlier, when other names may have left. */
export function redactNames(labels: Readonly<Record<string, string>>, { redact }: Privacy): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, kindOf[name] === 'name' ? nameOf(text, redact) : text]));
}

const mostTexts = 100;

/** Redacted before it is cut: half a secret has no form that one would know. */
function textOf(text: string, redact: Redact): string {
  const clean = redact(beginningOf(text))
    .replaceAll(/(?![\n\t])[\p{Cc}\p{Cs}]+/gu, ' ')
    .trim();
  return Array.from(clean).slice(0, 4_096).join('');
}

/** Of a very long text as much as is worth looking through, without the word that the cut went through. */
function beginningOf(text: string): string {
  const beginning = text.slice(0, 16_384);
  return text.length === beginning.length ? text : beginning.slice(0, Math.max(0, beginning.search(/\s\S*$/)));
}

function lineOf(text: string, most: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
  return Array.from(line).slice(0, most).join('');
}

function ofKind(
  kind: AttributeKind | undefined,
  value: string | number | boolean | readonly string[] | undefined,
  { content, redact }: Privacy,
): string | number | boolean | string[] | undefined {
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
      return typeof value === 'string' ? nameOf(value, redact) || undefined : undefined;
    case 'text':
      return content && typeof value === 'string' ? textOf(value, redact) || undefined : undefined;
    case 'texts': {
      if (!content || !Array.isArray(value)) return undefined;
      const lines = value.slice(0, mostTexts).map((text) => lineOf(redact(beginningOf(String(text))), 256));
      return lines.length > 0 ? lines : undefined;
    }
    case undefined:
      return undefined;
  }
}
