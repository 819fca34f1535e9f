import { readMessage } from './protobuf.ts';
import type { Message } from './protobuf.ts';

export type AttributeValue =
  | string
  | boolean
  | number
  | bigint
  | Uint8Array
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue }
  | null;

export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface ReceivedSpan {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Absent on a root span. */
  readonly parentSpanId?: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: SpanKind;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly time: bigint; readonly attributes: Attributes }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string; readonly attributes: Attributes }[];
  readonly status: { readonly code: StatusCode; readonly message: string };
  readonly resource: Attributes;
  readonly scope: { readonly name: string; readonly version: string };
}

export const spanKinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
export type SpanKind = (typeof spanKinds)[number];

export const statusCodes = ['unset', 'ok', 'error'] as const;
export type StatusCode = (typeof statusCodes)[number];

// Field numbers of opentelemetry-proto 1.x, which are stable: collector/trace/v1, trace/v1, common/v1.
const request = { resourceSpans: 1 } as const;
const resourceSpans = { resource: 1, scopeSpans: 2 } as const;
const resource = { attributes: 1 } as const;
const scopeSpans = { scope: 1, spans: 2 } as const;
const scope = { name: 1, version: 2 } as const;
const span = {
  traceId: 1,
  spanId: 2,
  traceState: 3,
  parentSpanId: 4,
  name: 5,
  kind: 6,
  start: 7,
  end: 8,
  attributes: 9,
  events: 11,
  links: 13,
  status: 15,
  flags: 16,
} as const;
const event = { time: 1, name: 2, attributes: 3 } as const;
const link = { traceId: 1, spanId: 2, attributes: 4 } as const;
const status = { message: 2, code: 3 } as const;
const keyValue = { key: 1, value: 2 } as const;
const anyValue = { string: 1, bool: 2, int: 3, double: 4, array: 5, keyValues: 6, bytes: 7 } as const;
const list = { values: 1 } as const;

/** Reads an `ExportTraceServiceRequest`. Written against the protocol, not against the serializer that is under test. Throws on other bytes. */
export function decodeSpans(body: Uint8Array): readonly ReceivedSpan[] {
  return readMessage(body)
    .messages(request.resourceSpans)
    .flatMap((group) => {
      const shared = attributesOf(group.message(resourceSpans.resource)?.messages(resource.attributes));
      return group.messages(resourceSpans.scopeSpans).flatMap((scoped) => {
        const named = scoped.message(scopeSpans.scope);
        const origin = { name: named?.string(scope.name) ?? '', version: named?.string(scope.version) ?? '' };
        return scoped.messages(scopeSpans.spans).map((message) => spanOf(message, shared, origin));
      });
    });
}

function spanOf(message: Message, shared: Attributes, origin: ReceivedSpan['scope']): ReceivedSpan {
  const parentSpanId = hex(message.bytes(span.parentSpanId));
  const ending = message.message(span.status);
  return {
    traceId: hex(message.bytes(span.traceId)),
    spanId: hex(message.bytes(span.spanId)),
    ...(parentSpanId === '' ? {} : { parentSpanId }),
    traceState: message.string(span.traceState),
    flags: Number(message.unsigned(span.flags)),
    name: message.string(span.name),
    kind: nameOf(spanKinds, message.unsigned(span.kind), 'span kind'),
    start: message.unsigned(span.start),
    end: message.unsigned(span.end),
    attributes: attributesOf(message.messages(span.attributes)),
    events: message.messages(span.events).map((entry) => ({
      name: entry.string(event.name),
      time: entry.unsigned(event.time),
      attributes: attributesOf(entry.messages(event.attributes)),
    })),
    links: message.messages(span.links).map((entry) => ({
      traceId: hex(entry.bytes(link.traceId)),
      spanId: hex(entry.bytes(link.spanId)),
      attributes: attributesOf(entry.messages(link.attributes)),
    })),
    status: {
      code: nameOf(statusCodes, ending?.unsigned(status.code) ?? 0n, 'status code'),
      message: ending?.string(status.message) ?? '',
    },
    resource: shared,
    scope: origin,
  };
}

export function attributesOf(pairs: readonly Message[] = []): Attributes {
  return Object.fromEntries(pairs.map((pair) => [pair.string(keyValue.key), valueOf(pair.message(keyValue.value))]));
}

/** An integer beyond 2^53 stays a bigint, so that it is never rounded; a value that is not set is null. */
function valueOf(value: Message | undefined): AttributeValue {
  if (value === undefined) return null;
  if (value.has(anyValue.string)) return value.string(anyValue.string);
  if (value.has(anyValue.bool)) return value.unsigned(anyValue.bool) === 1n;
  if (value.has(anyValue.int)) {
    const int = value.signed(anyValue.int);
    return Number.isSafeInteger(Number(int)) ? Number(int) : int;
  }
  if (value.has(anyValue.double)) return value.double(anyValue.double);
  if (value.has(anyValue.array)) return (value.message(anyValue.array)?.messages(list.values) ?? []).map(valueOf);
  if (value.has(anyValue.keyValues)) return attributesOf(value.message(anyValue.keyValues)?.messages(list.values));
  if (value.has(anyValue.bytes)) return value.bytes(anyValue.bytes);
  return null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function nameOf<const Name>(names: readonly Name[], number: bigint, what: string): Name {
  const name = names[Number(number)];
  if (name === undefined) throw new Error(`unknown ${what} ${number}`);
  return name;
}
