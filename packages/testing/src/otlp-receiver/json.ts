import { z } from 'zod';
import { spanKinds, statusCodes, type Attributes, type AttributeValue, type ReceivedSpan } from './spans.ts';

/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hexadecimal, 64-bit integers may be texts. */
const integer = z.union([z.int(), z.string().regex(/^-?\d+$/)]).transform((value) => BigInt(value));

const anyValue: z.ZodType<AttributeValue> = z.lazy(() =>
  z
    .object({
      stringValue: z.string().optional(),
      boolValue: z.boolean().optional(),
      intValue: integer.optional(),
      doubleValue: z.number().optional(),
      arrayValue: z.object({ values: z.array(anyValue).default([]) }).optional(),
      kvlistValue: z.object({ values: attributes }).optional(),
      bytesValue: z.base64().optional(),
    })
    .transform(({ stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue }): AttributeValue => {
      if (intValue !== undefined) return Number.isSafeInteger(Number(intValue)) ? Number(intValue) : intValue;
      if (bytesValue !== undefined) return new Uint8Array(Buffer.from(bytesValue, 'base64'));
      return stringValue ?? boolValue ?? doubleValue ?? arrayValue?.values ?? kvlistValue?.values ?? null;
    }),
);

const attributes: z.ZodType<Attributes> = z
  .array(z.object({ key: z.string(), value: anyValue.default(null) }))
  .default([])
  .transform((pairs) => Object.fromEntries(pairs.map(({ key, value }) => [key, value])));

const id = z
  .string()
  .regex(/^[0-9a-f]*$/i)
  .transform((text) => text.toLowerCase())
  .default('');

const span = z.object({
  traceId: id,
  spanId: id,
  parentSpanId: id,
  traceState: z.string().default(''),
  flags: z.int().default(0),
  name: z.string().default(''),
  kind: z
    .int()
    .min(0)
    .max(spanKinds.length - 1)
    .default(0),
  startTimeUnixNano: integer,
  endTimeUnixNano: integer,
  attributes,
  events: z.array(z.object({ name: z.string().default(''), timeUnixNano: integer, attributes })).default([]),
  links: z.array(z.object({ traceId: id, spanId: id, attributes })).default([]),
  status: z
    .object({
      code: z
        .int()
        .min(0)
        .max(statusCodes.length - 1)
        .default(0),
      message: z.string().default(''),
    })
    .prefault({}),
});

const request = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes }).prefault({ attributes: [] }),
        scopeSpans: z
          .array(
            z.object({
              scope: z.object({ name: z.string().default(''), version: z.string().default('') }).prefault({}),
              spans: z.array(span).default([]),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
});

/** Reads an `ExportTraceServiceRequest` in JSON, as `decodeSpans` reads one in protobuf. Throws on anything else. */
export function decodeJsonSpans(body: Uint8Array): readonly ReceivedSpan[] {
  const { resourceSpans } = request.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) => spans.map((each) => spanOf(each, resource.attributes, scope))),
  );
}

function spanOf(each: z.output<typeof span>, resource: Attributes, scope: ReceivedSpan['scope']): ReceivedSpan {
  const { parentSpanId, kind, startTimeUnixNano, endTimeUnixNano, events, status, ...same } = each;
  return {
    ...same,
    ...(parentSpanId === '' ? {} : { parentSpanId }),
    kind: spanKinds[kind] ?? 'unspecified',
    start: startTimeUnixNano,
    end: endTimeUnixNano,
    events: events.map(({ timeUnixNano, ...event }) => ({ ...event, time: timeUnixNano })),
    status: { code: statusCodes[status.code] ?? 'unset', message: status.message },
    resource,
    scope,
  };
}
