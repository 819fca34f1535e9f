import type { TelemetryTarget } from './contract.ts';
import { defined } from './defined.ts';

/**
 * The standard variables by which a CLI with an OpenTelemetry SDK sends its traces there, and nothing else: metrics would count once more what the daemon
 * counts, and logs tell what is said. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
export function otlpVariables(target: TelemetryTarget): Readonly<Record<string, string>> {
  const { transport, endpoint, timeoutMs, certificate, clientCertificate, clientKey } = target;
  return defined({
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: transport === 'grpc' ? 'grpc' : 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: String(timeoutMs),
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: certificate,
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: clientCertificate,
    OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: clientKey,
    OTEL_RESOURCE_ATTRIBUTES: resourceAttributes(target),
  });
}

/** The resource's attributes as OTEL_RESOURCE_ATTRIBUTES has them. */
export function resourceAttributes({ resource }: TelemetryTarget): string {
  return Object.entries(resource)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join(',');
}
