import type { Harness, TelemetryTarget } from '@singletree/harness';
import { DomainError } from '../errors.ts';

/** Where the daemon's own traces go, as far as others may send theirs there too. */
export interface HarnessExport {
  readonly target: TelemetryTarget;
  /** Of each request, by name. They may be secrets. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SwitchedOn {
  readonly target: TelemetryTarget;
  /** By variable, as secrets are read. */
  readonly headers: Readonly<Record<string, () => Promise<string>>>;
}

/**
 * What a CLI needs to send its own traces where the daemon sends its. Undefined where the daemon sends none. Throws INVALID_CONFIGURATION where the CLI
 * could not do it: that would otherwise be found out by whoever looks for the traces.
 */
export function switchTelemetry(id: string, harness: Harness, to: HarnessExport | undefined): SwitchedOn | undefined {
  const { displayName, capabilities } = harness;
  const where = `harnesses.${id}.telemetry`;
  const own = capabilities.telemetry;
  if (!own) {
    throw new DomainError('INVALID_CONFIGURATION', `${where}: the plugin of ${displayName} knows no traces of its own to switch on`, {
      hint: 'leave the key out; the spans of its attempts are sent in any case',
    });
  }
  if (!to) return undefined;
  const { transport } = to.target;
  if (!own.transports.includes(transport)) {
    throw new DomainError('INVALID_CONFIGURATION', `${where}: ${displayName} cannot send its traces by ${transport}`, {
      hint: `set OTEL_EXPORTER_OTLP_PROTOCOL to ${own.transports[0] === 'grpc' ? 'grpc' : 'http/protobuf'}, with the address for it, or leave the key out`,
    });
  }
  const headers = headerText(to.headers);
  return { target: to.target, headers: headers === '' ? {} : { [own.headersVariable]: async () => headers } };
}

/** Only what would end an entry, or be taken for an encoding, is encoded: some CLIs decode nothing. */
function headerText(headers: HarnessExport['headers']): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}=${value.replaceAll('%', '%25').replaceAll(',', '%2C')}`)
    .join(',');
}
