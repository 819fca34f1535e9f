import {
  configuredDestination,
  otlpName,
  readDestination,
  type Destination,
  type DestinationSettings,
  type Signal,
} from './destination.ts';
import type { Environment } from './pairs.ts';
import { unusedVariables } from './variables.ts';

/** Where records may go, by signal. */
export interface NamedDestination {
  readonly name: string;
  readonly by: Readonly<Record<Signal, Destination>>;
}

export interface Destinations {
  /** That of the OTEL_ variables first, also where it is off; then those of the configuration. */
  readonly all: readonly NamedDestination[];
  /** For the log, each once. */
  readonly warnings: readonly string[];
}

/** All destinations there are. Throws INVALID_CONFIGURATION where one could not be used. */
export function readDestinations(environment: Environment, configured: Readonly<Record<string, DestinationSettings>>): Destinations {
  const choices = [
    { name: otlpName, traces: readDestination(environment, 'traces'), metrics: readDestination(environment, 'metrics') },
    ...Object.entries(configured).map(([name, settings]) => ({
      name,
      traces: configuredDestination(name, settings, 'traces'),
      metrics: configuredDestination(name, settings, 'metrics'),
    })),
  ];
  const disabled = environment['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true';
  const off: Destination = { kind: 'off', why: 'OTEL_SDK_DISABLED is true' };
  const all = choices.map(({ name, traces, metrics }) => ({
    name,
    by: disabled ? { traces: off, metrics: off } : { traces: traces.destination, metrics: metrics.destination },
  }));
  const isOn = all.some(({ by }) => by.traces.kind === 'otlp' || by.metrics.kind === 'otlp');
  const warnings = choices.flatMap(({ traces, metrics }) => [...traces.warnings, ...metrics.warnings]);
  return { all, warnings: [...new Set([...warnings, ...(isOn ? unusedVariables(environment) : [])])] };
}
