import { randomUUID } from 'node:crypto';
import type { LoadedConfiguration } from '../config/load.ts';
import { destinationsOf, loadDestinations } from '../load-destinations.ts';
import { senderFor } from '../outbox/channels.ts';
import { signals, type Destination } from '../outbox/destinations/destination.ts';
import { readDestinations, type NamedDestination } from '../outbox/destinations/destinations.ts';
import { probe } from '../outbox/probe/probe.ts';
import { readSender } from '../outbox/spans/serialise.ts';
import type { ProbeReport } from '../telemetry-probe.ts';
import { errorFrom, type Finding } from './finding.ts';

type Configured = LoadedConfiguration['configuration']['telemetry']['destinations'];

/** Where a daemon would send telemetry that is started with this environment. Nothing is sent. */
export function examineTelemetry(configured: Configured, environment: NodeJS.ProcessEnv): Finding[] {
  try {
    const { all, warnings } = readDestinations(environment, destinationsOf(configured));
    return [...all.map(whereTo), ...warnings.map((message): Finding => ({ check: 'variables', status: 'warning', message }))];
  } catch (error) {
    return [errorFrom('destinations', error)];
  }
}

function whereTo({ name, by }: NamedDestination): Finding {
  const told = signals.map((signal) => `${signal}: ${placeOf(by[signal])}`).join(' · ');
  const isOff = signals.every((signal) => by[signal].kind === 'off');
  return { check: name, status: isOff ? 'skipped' : 'ok', message: told };
}

function placeOf(destination: Destination): string {
  return destination.kind === 'off' ? `off, ${destination.why}` : `${destination.target} by ${destination.protocol}`;
}

/** Sends a probe to each destination as a daemon would that is started with this environment. Throws INVALID_CONFIGURATION as that daemon would. */
export async function probeTelemetry(
  configured: Configured,
  { environment, version }: { readonly environment: NodeJS.ProcessEnv; readonly version: string },
): Promise<ProbeReport[]> {
  const { all } = readDestinations(environment, await loadDestinations(configured, environment));
  const targets = all.flatMap(({ name, by }) => signals.map((signal) => ({ name, signal, destination: by[signal] })));
  const { sender } = readSender(environment, { version, instanceId: randomUUID() });
  const now = Date.now;
  return await probe(targets, { sender, environment, now, senderFor: (to, signal) => senderFor(to, signal, { now, version }) });
}
