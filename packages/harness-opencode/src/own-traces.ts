import { RefusedAttempt, resourceAttributes, type TelemetryTarget } from '@singletree/harness';

const path = '/v1/traces';

/** It knows one address for all that it sends, and adds the paths itself. */
export function telemetryVariables(target: TelemetryTarget | undefined): Readonly<Record<string, string>> {
  if (!target) return {};
  const { endpoint } = target;
  if (!endpoint.endsWith(path)) {
    throw new RefusedAttempt(
      `telemetry: OpenCode sends its traces to an address that ends in ${path} only: set OTEL_EXPORTER_OTLP_ENDPOINT, or switch them off`,
    );
  }
  return { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.slice(0, -path.length), OTEL_RESOURCE_ATTRIBUTES: resourceAttributes(target) };
}
