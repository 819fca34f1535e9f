import { otlpName, type Signal } from '../destinations/destination.ts';

/** What a person changes to mend a destination: the names of its settings, as they are written. */
export interface SettingNames {
  readonly endpoint: string;
  /** How a protocol is set, as it is written. */
  readonly protocol: (protocol: 'http/protobuf' | 'grpc') => string;
  readonly headers: string;
  /** An example of a header with credentials, as it is written there. */
  readonly credentials: string;
  readonly timeout: string;
  readonly certificate: string;
  readonly clientCertificate: string;
  /** How this signal is switched off, where its receiver does not take it. */
  readonly off: string;
}

/** Of the destination that the OTEL_ variables speak of, or of one of the configuration. */
export function settingNames(destination: string, signal: Signal): SettingNames {
  if (destination === otlpName) {
    return {
      endpoint: 'OTEL_EXPORTER_OTLP_ENDPOINT',
      protocol: (protocol) => `OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}`,
      headers: 'OTEL_EXPORTER_OTLP_HEADERS',
      credentials: 'authorization=Bearer%20TOKEN (a space is written %20)',
      timeout: 'OTEL_EXPORTER_OTLP_TIMEOUT',
      certificate: 'OTEL_EXPORTER_OTLP_CERTIFICATE',
      clientCertificate: 'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY',
      off: `OTEL_${signal.toUpperCase()}_EXPORTER=none`,
    };
  }
  const key = (name: string): string => `telemetry.destinations.${destination}.${name}`;
  return {
    endpoint: key('endpoint'),
    protocol: (protocol) => `${key('protocol')}: ${protocol}`,
    headers: key('headers'),
    credentials: '{ authorization: { env: NAME } }, where the variable NAME holds "Bearer TOKEN"',
    timeout: key('timeout'),
    certificate: key('certificate'),
    clientCertificate: `${key('client_certificate')} and ${key('client_key')}`,
    off: `${key('signals')}: [${signal === 'traces' ? 'metrics' : 'traces'}]`,
  };
}
