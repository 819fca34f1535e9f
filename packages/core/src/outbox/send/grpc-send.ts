import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import * as grpc from '@grpc/grpc-js';
import type { Connection, Otlp, Signal } from '../destinations/destination.ts';
import { acknowledgement, hider, readable, type Hide, type Send, type SendResult } from './send.ts';

const exportMethods: Readonly<Record<Signal, string>> = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};
const asIs = (bytes: Buffer): Buffer => bytes;

/** Sends by gRPC over one connection, which is made with the first request, and anew after one that got no answer. */
export function grpcSend(destination: Otlp, signal: Signal, options: { readonly userAgent: string }): Send {
  const exportMethod = exportMethods[signal];
  const { url, headers, tls } = destination.connection();
  const hideSecrets = hider(Object.values(headers));
  const newClient = (): grpc.Client =>
    new grpc.Client(authorityOf(url), credentialsOf(url, tls), {
      'grpc.primary_user_agent': options.userAgent,
      'grpc.default_compression_algorithm':
        destination.compression === 'gzip' ? grpc.compressionAlgorithms.gzip : grpc.compressionAlgorithms.identity,
      // What a receiver cannot take it says; the limit for answers is as for the other protocol.
      'grpc.max_receive_message_length': 64 * 1024,
      // The relay has a pace of its own: it must not be told for minutes that nobody is there after somebody is.
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 500,
      'grpc.max_reconnect_backoff_ms': 500,
      // Else a new client would get the connection of the one before it.
      'grpc.use_local_subchannel_pool': 1,
    });
  let client = newClient();
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);

  return (payload, aborting) =>
    new Promise((resolve) => {
      const deadline = Date.now() + destination.timeoutMs;
      const call = client.makeUnaryRequest(exportMethod, asIs, asIs, Buffer.from(payload), metadata, { deadline }, (error, answer) => {
        aborting.removeEventListener('abort', stop);
        if (error?.code === grpc.status.DEADLINE_EXCEEDED) {
          // Its other end may have been switched off: then it takes everything and stands for a quarter of an hour.
          client.close();
          client = newClient();
        }
        if (!error) resolve(acknowledgement(answer ?? Buffer.alloc(0), hideSecrets));
        else if (aborting.aborted) resolve({ kind: 'retry', error: 'stopped before the answer came' });
        else resolve(judge(error, describe(error, hideSecrets), destination.timeoutMs));
      });
      const stop = (): void => call.cancel();
      aborting.addEventListener('abort', stop);
    });
}

/** An IPv6 address keeps its brackets; a port that is the scheme's own is said all the same. */
function authorityOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

function credentialsOf(url: URL, { ca, cert, key }: Connection['tls']): grpc.ChannelCredentials {
  return url.protocol === 'https:' ? grpc.credentials.createSsl(ca, key, cert) : grpc.credentials.createInsecure();
}

/** https://opentelemetry.io/docs/specs/otlp/#failures says which answers may be sent again. */
function judge(error: grpc.ServiceError, message: string, timeoutMs: number): SendResult {
  const { code: status } = error;
  const after = retryDelay(error.metadata);
  const again = { kind: 'retry', error: message, ...(after === undefined ? {} : { after }) } as const;
  switch (status) {
    case grpc.status.DEADLINE_EXCEEDED:
      return { kind: 'retry', error: `no answer within ${timeoutMs / 1000} s` };
    case grpc.status.CANCELLED:
    case grpc.status.ABORTED:
    case grpc.status.OUT_OF_RANGE:
    case grpc.status.UNAVAILABLE:
    case grpc.status.DATA_LOSS:
      return again;
    case grpc.status.RESOURCE_EXHAUSTED:
      // Without a time it is the message itself that is too large.
      return after === undefined ? { kind: 'refused', status, error: message } : again;
    case grpc.status.UNAUTHENTICATED:
    case grpc.status.PERMISSION_DENIED:
    case grpc.status.UNIMPLEMENTED:
      return { kind: 'misconfigured', status, error: message };
    default:
      // What answers in plain HTTP is no gRPC server, whatever it thinks of the bytes.
      return { kind: error.details.startsWith('Received HTTP status code') ? 'misconfigured' : 'refused', status, error: message };
  }
}

function describe({ code, details }: grpc.ServiceError, hide: Hide): string {
  const words = readable(details, hide);
  return `gRPC ${grpc.status[code]}${words === '' ? '' : `: ${words}`}`;
}

/**
 * google.rpc.RetryInfo among the details of the answer, in milliseconds. Read by hand, as a google.rpc.Status whose field 3 holds messages with their
 * types: its field 1 is a duration in seconds and nanoseconds.
 */
function retryDelay(metadata: grpc.Metadata): number | undefined {
  const [details] = metadata.get('grpc-status-details-bin');
  if (!Buffer.isBuffer(details)) return undefined;
  try {
    for (const any of bytesOf(details, 3)) {
      const [type] = bytesOf(any, 1);
      const [value] = bytesOf(any, 2);
      if (!value || !new TextDecoder().decode(type).endsWith('/google.rpc.RetryInfo')) continue;
      const [delay] = bytesOf(value, 1);
      return delay && Math.max(0, numberOf(delay, 1) * 1_000 + numberOf(delay, 2) / 1_000_000);
    }
  } catch {
    // What cannot be read says nothing.
  }
  return undefined;
}

function bytesOf(message: Uint8Array, field: number): Uint8Array[] {
  const values: Uint8Array[] = [];
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.LengthDelimited) values.push(reader.bytes());
    else reader.skip(wireType);
  }
  return values;
}

function numberOf(message: Uint8Array, field: number): number {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === field && wireType === WireType.Varint) return Number(reader.int64());
    reader.skip(wireType);
  }
  return 0;
}
