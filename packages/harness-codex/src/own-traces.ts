import { resourceAttributes, type TelemetryTarget } from '@singletree/harness';
import type { TomlValue } from './toml.ts';

export const headersVariable = 'OTEL_EXPORTER_OTLP_TRACES_HEADERS';

/** How long it may wait for an answer: when it ends it does so for each request that is left, and the task with it. */
const longestWaitMs = 2_000;

/** Its exporters are settings, of which each is named: the one for metrics would else send them to its maker. */
export function telemetrySettings(target: TelemetryTarget | undefined): Readonly<Record<string, TomlValue>> {
  if (!target) return {};
  const { transport, endpoint, certificate, clientCertificate, clientKey } = target;
  const files = { 'ca-certificate': certificate, 'client-certificate': clientCertificate, 'client-private-key': clientKey };
  const tls = Object.values(files).some((file) => file !== undefined) ? files : undefined;
  const exporter = transport === 'grpc' ? { 'otlp-grpc': { endpoint, tls } } : { 'otlp-http': { endpoint, protocol: 'binary', tls } };
  return {
    'otel.trace_exporter': exporter,
    'otel.metrics_exporter': 'none',
    'otel.exporter': 'none',
    'otel.log_user_prompt': false,
  };
}

/** What it takes from the environment. */
export function telemetryVariables(target: TelemetryTarget | undefined): Readonly<Record<string, string>> {
  if (!target) return {};
  return {
    OTEL_RESOURCE_ATTRIBUTES: resourceAttributes(target),
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: String(Math.min(target.timeoutMs, longestWaitMs)),
  };
}

/** Its variables are meant for the CLI, and not for the programs that it runs. */
export function outOfShells(target: TelemetryTarget | undefined): Readonly<Record<string, TomlValue>> {
  const names = target ? [headersVariable, ...Object.keys(telemetryVariables(target))] : [];
  return Object.fromEntries(names.map((name) => [`shell_environment_policy.set.${name}`, '']));
}
