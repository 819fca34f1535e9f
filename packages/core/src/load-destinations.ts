import type { LoadedConfiguration } from './config/load.ts';
import type { DestinationSettings } from './outbox/destinations/destination.ts';
import { keyReader } from './plugins/key.ts';

type Configured = LoadedConfiguration['configuration']['telemetry']['destinations'];
type Destinations = Readonly<Record<string, DestinationSettings>>;

/** Destinations of telemetry, without the secrets of their headers. */
export function destinationsOf(configured: Configured): Destinations {
  return Object.fromEntries(
    Object.entries(configured).map(([name, { headers: _, timeout, certificate, client_certificate, client_key, ...rest }]) => [
      name,
      {
        ...rest,
        timeoutMs: timeout,
        ...(certificate === undefined ? {} : { certificate }),
        ...(client_certificate === undefined ? {} : { clientCertificate: client_certificate }),
        ...(client_key === undefined ? {} : { clientKey: client_key }),
      },
    ]),
  );
}

/** The same with the secrets. Rejects with the first that cannot be read. */
export async function loadDestinations(configured: Configured, environment: NodeJS.ProcessEnv): Promise<Destinations> {
  const read = Object.entries(destinationsOf(configured)).map(async ([name, settings]): Promise<[string, DestinationSettings]> => {
    const secrets = Object.entries(configured[name]?.headers ?? {}).map(async ([header, source]): Promise<[string, string]> => {
      const place = `telemetry.destinations.${name}.headers.${header}`;
      return [header, await keyReader(place, source, environment)()];
    });
    return [name, { ...settings, headers: Object.fromEntries(await Promise.all(secrets)) }];
  });
  return Object.fromEntries(await Promise.all(read));
}
