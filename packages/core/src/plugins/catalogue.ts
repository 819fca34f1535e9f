import type { Harness, HarnessSettings, Probe, TelemetryTarget } from '@singletree/harness';
import { DomainError } from '../errors.ts';
import { nearest } from '../nearest.ts';

/** A configured harness, ready to be asked. Loaded once at the start and frozen. */
export interface Plugin {
  readonly id: string;
  /** The package name or path that the configuration gives. */
  readonly source: string;
  /** Guarded: its methods throw `PluginFailure` for whatever the plugin does wrong. */
  readonly harness: Harness;
  readonly settings: HarnessSettings<unknown>;
  /** Names and values from the configuration's `env`, and variables of the user's that the plugin asks for: they may hold credentials, so they
   *  travel with the secrets. */
  readonly configuredEnvironment: Readonly<Record<string, string>>;
  /** Reads each of the configured secrets at the moment of use, by variable. Each throws `DomainError` when it cannot be read. */
  readonly secrets: Readonly<Record<string, () => Promise<string>>>;
  /** Reads the configured key at the moment of use; absent without one. Throws `DomainError` when it cannot be read. */
  readonly apiKey?: () => Promise<string>;
  /** Whether the user wants the CLI to send its own traces. */
  readonly wantsTelemetry: boolean;
  /** Where these go; absent where they are not wanted, or where the daemon's own go nowhere. Of the headers only `secrets` knows. */
  readonly telemetry?: TelemetryTarget;
  /** The newest answer, refreshed when it is older than the caller allows. */
  probe(maxAgeMs: number): Promise<Probe>;
}

export interface Catalogue {
  /** Throws UNKNOWN_HARNESS, which names the known ones. */
  get(id: string): Plugin;
  all(): readonly Plugin[];
}

export function createCatalogue(plugins: readonly Plugin[]): Catalogue {
  const byId = new Map(plugins.map((plugin) => [plugin.id, plugin]));
  const known = [...byId.keys()];
  return {
    get(id) {
      const plugin = byId.get(id);
      if (plugin) return plugin;
      const meant = nearest(id, known);
      const hint = [`known harnesses: ${known.join(', ')}`, meant === undefined ? '' : `did you mean ${meant}?`].filter(Boolean).join('\n');
      throw new DomainError('UNKNOWN_HARNESS', `unknown harness "${id}"`, { hint, metadata: { harness: id, known: known.join(',') } });
    },
    all: () => plugins,
  };
}
