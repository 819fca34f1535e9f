import { createServer } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { readDestination } from '../destinations/destination.ts';
import { grpcSend } from './grpc-send.ts';
import { httpSend, type SendResult } from './send.ts';
import { noon } from '../stand-ins.testsuite.ts';

const folder = join(import.meta.dirname, '../../../fixtures/tls');
const path = (name: string): string => join(folder, `${name}.pem`);
const pem = (name: string): Buffer => readFileSync(path(name));

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A receiver that answers every request, and asks for a certificate if it should. */
async function httpReceiver(asksForCertificate: boolean): Promise<number> {
  const options = {
    ca: pem('ca'),
    cert: pem('server'),
    key: pem('server-key'),
    requestCert: asksForCertificate,
    rejectUnauthorized: asksForCertificate,
  };
  const server = createServer(options, (request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200).end((request.socket as TLSSocket).getPeerCertificate().subject?.CN));
  });
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function grpcReceiver(asksForCertificate: boolean): Promise<number> {
  const server = new grpc.Server();
  closing.push(() => server.forceShutdown());
  const asIs = (bytes: Buffer): Buffer => bytes;
  const method = {
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  const service = { Export: { ...method, path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export' } };
  server.addService(service, { Export: (_: unknown, callback: grpc.sendUnaryData<Buffer>) => callback(null, Buffer.alloc(0)) });
  const pair = { cert_chain: pem('server'), private_key: pem('server-key') };
  const credentials = grpc.ServerCredentials.createSsl(pem('ca'), [pair], asksForCertificate);
  return await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port))),
  );
}

async function send(protocol: string, port: number, environment: Record<string, string>): Promise<SendResult> {
  const { destination } = readDestination(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: `https://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      ...environment,
    },
    'traces',
  );
  if (destination.kind === 'off') throw new Error(destination.why);
  const options = { now: () => noon, userAgent: 'singletree/test' };
  const sender = protocol === 'grpc' ? grpcSend(destination, 'traces', options) : httpSend(destination, options);
  return await sender(Buffer.from('the frozen bytes'), new AbortController().signal);
}

const ca = { OTEL_EXPORTER_OTLP_CERTIFICATE: path('ca') };
const client = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: path('client'), OTEL_EXPORTER_OTLP_CLIENT_KEY: path('client-key') };

describe.each([
  ['http/protobuf', httpReceiver],
  ['grpc', grpcReceiver],
])('%s', (protocol, receiver) => {
  test('a receiver is believed whose authority is given', async () => {
    expect(await send(protocol, await receiver(false), ca)).toEqual({ kind: 'acknowledged' });
  });

  test('one of an unknown authority is not, and nothing is lost', async () => {
    const result = await send(protocol, await receiver(false), {});
    expect(result).toMatchObject({ kind: 'retry', error: expect.stringMatching(/certificate|issuer/i) });
  });

  test('who is asked for a certificate shows it', async () => {
    const port = await receiver(true);
    expect(await send(protocol, port, { ...ca, ...client })).toEqual({ kind: 'acknowledged' });
    expect(await send(protocol, port, ca)).toMatchObject({ kind: 'retry' });
  });
});
