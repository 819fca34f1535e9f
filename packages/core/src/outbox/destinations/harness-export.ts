import { resolve } from 'node:path';
import { defined } from '@singletree/harness';
import type { HarnessExport } from '../../plugins/telemetry.ts';
import { readDestination } from './destination.ts';
import { variable, type Environment } from './pairs.ts';
import { readSender } from '../spans/serialise.ts';

/** Each CLI says of itself who it is. */
const ofTheSender: ReadonlySet<string> = new Set(['service.name', 'service.version', 'service.instance.id']);

/**
 * Where CLIs that send their own traces send them: where the daemon's go, by the same variables; `why` they go nowhere. Throws INVALID_CONFIGURATION
 * where the daemon's own export does.
 */
export function harnessExport(environment: Environment): HarnessExport | { readonly why: string } {
  const { destination } = readDestination(environment, 'traces');
  if (destination.kind === 'off') return { why: destination.why };
  const { url, headers } = destination.connection();
  const { sender } = readSender(environment, { version: '', instanceId: '' });
  const isGrpc = destination.protocol === 'grpc';
  const files = {
    certificate: pathOf(environment, 'CERTIFICATE'),
    clientCertificate: pathOf(environment, 'CLIENT_CERTIFICATE'),
    clientKey: pathOf(environment, 'CLIENT_KEY'),
  };
  const { timeoutMs } = destination;
  const resource = Object.fromEntries(Object.entries(sender.resource).filter(([name]) => !ofTheSender.has(name)));
  return {
    target: { transport: isGrpc ? 'grpc' : 'http', endpoint: isGrpc ? url.origin : url.href, timeoutMs, ...defined(files), resource },
    headers,
  };
}

/** What the daemon reads from its own folder a CLI has to find from another one. */
function pathOf(environment: Environment, suffix: string): string | undefined {
  const path = variable(environment, `OTEL_EXPORTER_OTLP_TRACES_${suffix}`) ?? variable(environment, `OTEL_EXPORTER_OTLP_${suffix}`);
  return path === undefined ? undefined : resolve(path);
}
