import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, getJson, startServer, type Server } from './server.ts';

type Value = string | number | boolean;

/** A span as Jaeger stored it, in one form for both of its APIs. */
export interface StoredSpan {
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** The spans that it has links to. */
  readonly links: readonly string[];
  readonly name: string;
  readonly kind: string;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, Value>>;
  readonly resource: Readonly<Record<string, Value>>;
}

export interface Jaeger extends Server {
  /** OTLP over HTTP, and over gRPC. */
  readonly http: string;
  readonly grpc: string;
  /** Where its pages and APIs are. */
  readonly url: string;
  /** Asks an API of its; the answer is JSON. */
  get(path: string): Promise<unknown>;
  /** By /api/traces, which its own pages use. Empty for a trace that it does not have. */
  trace(traceId: string): Promise<StoredSpan[]>;
  /** The same by /api/v3/traces, which answers in OTLP. */
  traceV3(traceId: string): Promise<StoredSpan[]>;
}

const config: string = join(import.meta.dirname, '../../../deploy/jaeger/config.yaml');

/** Jaeger by the configuration of deploy/. What it stores is in `folder`. */
export async function startJaeger(folder: string): Promise<Jaeger> {
  mkdirSync(folder, { recursive: true });
  const ports = await freePorts('health', 'query', 'queryGrpc', 'grpc', 'http');
  const at = (name: keyof typeof ports): string => `127.0.0.1:${ports[name]}`;
  const server = await startServer({
    name: 'jaeger',
    folder,
    args: ['--config', config],
    env: {
      HEALTH_ADDRESS: at('health'),
      QUERY_ADDRESS: at('query'),
      QUERY_GRPC_ADDRESS: at('queryGrpc'),
      GRPC_ADDRESS: at('grpc'),
      HTTP_ADDRESS: at('http'),
      DATA_FOLDER: join(folder, 'data'),
    },
    ready: `http://${at('health')}/status`,
  });
  const get = (path: string): Promise<unknown> => getJson(`http://${at('query')}${path}`);
  const orNone = (error: unknown): StoredSpan[] => {
    if (error instanceof Error && error.message.includes(': 404 ')) return [];
    throw error;
  };
  return {
    ...server,
    http: `http://${at('http')}`,
    grpc: `http://${at('grpc')}`,
    url: `http://${at('query')}`,
    get,
    trace: (traceId) =>
      get(`/api/traces/${traceId}`)
        .then((answer) => spansOf(answer as Traces), orNone)
        .then(inOrder),
    traceV3: (traceId) =>
      get(`/api/v3/traces/${traceId}`)
        .then((answer) => spansOfV3(answer as TracesV3), orNone)
        .then(inOrder),
  };
}

/** By their beginning, and by their ids where that is the same. */
export function inOrder(spans: readonly StoredSpan[]): StoredSpan[] {
  return spans.toSorted((a, b) => a.start - b.start || (a.spanId < b.spanId ? -1 : 1));
}

interface Tag {
  readonly key: string;
  readonly value: Value;
}

interface Traces {
  readonly data: readonly {
    readonly processes: Readonly<Record<string, { readonly serviceName: string; readonly tags: readonly Tag[] }>>;
    readonly spans: readonly {
      readonly spanID: string;
      readonly operationName: string;
      readonly references: readonly { readonly refType: string; readonly spanID: string }[];
      /** Microseconds. */
      readonly startTime: number;
      readonly duration: number;
      readonly tags: readonly Tag[];
      readonly processID: string;
    }[];
  }[];
}

/** What Jaeger makes of a span's own fields. */
const madeTags: ReadonlySet<string> = new Set(['error', 'otel.scope.name', 'otel.scope.version', 'otel.status_code', 'span.kind']);

function spansOf({ data }: Traces): StoredSpan[] {
  return data.flatMap(({ spans, processes }) =>
    spans.map((span) => {
      const tags = Object.fromEntries(span.tags.map(({ key, value }) => [key, value]));
      const process = processes[span.processID];
      const refersTo = (type: string): string[] => span.references.filter(({ refType }) => refType === type).map(({ spanID }) => spanID);
      return {
        spanId: span.spanID,
        parentSpanId: refersTo('CHILD_OF')[0],
        links: refersTo('FOLLOWS_FROM'),
        name: span.operationName,
        kind: String(tags['span.kind']),
        start: span.startTime / 1_000,
        end: (span.startTime + span.duration) / 1_000,
        failed: tags['otel.status_code'] === 'ERROR' && tags['error'] === true,
        attributes: Object.fromEntries(Object.entries(tags).filter(([key]) => !madeTags.has(key))),
        resource: Object.fromEntries([
          ['service.name', process?.serviceName ?? ''],
          ...(process?.tags ?? []).map(({ key, value }) => [key, value] as const),
        ]),
      };
    }),
  );
}

type AnyValue = { readonly stringValue?: string; readonly intValue?: string; readonly doubleValue?: number; readonly boolValue?: boolean };
type KeyValues = readonly { readonly key: string; readonly value: AnyValue }[];

interface TracesV3 {
  readonly result: {
    readonly resourceSpans: readonly {
      readonly resource: { readonly attributes: KeyValues };
      readonly scopeSpans: readonly {
        readonly spans: readonly {
          readonly spanId: string;
          readonly parentSpanId?: string;
          readonly links?: readonly { readonly spanId: string }[];
          readonly name: string;
          readonly kind: number;
          readonly startTimeUnixNano: string;
          readonly endTimeUnixNano: string;
          readonly status: { readonly code?: number };
          readonly attributes?: KeyValues;
        }[];
      }[];
    }[];
  };
}

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];

function spansOfV3({ result }: TracesV3): StoredSpan[] {
  // A span that was sent again may leave an empty group behind: spans are counted, not groups.
  return result.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        links: (span.links ?? []).map(({ spanId }) => spanId),
        name: span.name,
        kind: kinds[span.kind] ?? '',
        start: Number(BigInt(span.startTimeUnixNano) / 1_000n) / 1_000,
        end: Number(BigInt(span.endTimeUnixNano) / 1_000n) / 1_000,
        failed: span.status.code === 2,
        attributes: valuesOf(span.attributes ?? []),
        resource: valuesOf(resource.attributes),
      })),
    ),
  );
}

function valuesOf(attributes: KeyValues): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? (value.intValue === undefined ? '' : Number(value.intValue)),
    ]),
  );
}
