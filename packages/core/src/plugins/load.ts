import { pathToFileURL } from 'node:url';
import { pluginIn, type Harness, type HarnessSettings } from '@singletree/harness';
import { DomainError } from '../errors.ts';
import type { Plugin } from './catalogue.ts';
import { findExecutable } from './executable.ts';
import { guardHarness } from './guard.ts';
import { locateModule } from './locate.ts';
import { probeWith } from './probe.ts';
import { keyReader, type KeySource } from './key.ts';
import { switchTelemetry, type HarnessExport } from './telemetry.ts';

/** One harness as the configuration states it. */
export interface HarnessConfiguration {
  readonly plugin: string;
  readonly executable?: string | undefined;
  readonly model?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly apiKey?: KeySource | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** By variable. */
  readonly secrets: Readonly<Record<string, KeySource>>;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly telemetry: boolean;
}

export interface LoadContext {
  /** Folders from which package names are resolved, in order: where the program is installed, then the configuration's folder. */
  readonly resolveFrom: readonly string[];
  /** The allowlisted environment that children get, and that holds the person's own PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** The daemon's own, from which `api_key: { env }` is read. */
  readonly ownEnvironment: NodeJS.ProcessEnv;
  readonly monotonicMs: () => number;
  /** Where CLIs that send their own traces send them; absent for whoever starts none. */
  readonly telemetry?: HarnessExport | undefined;
}

/** Loads the plugin of one configured harness and checks that it keeps the contract. */
export async function loadPlugin(id: string, configuration: HarnessConfiguration, context: LoadContext): Promise<Plugin> {
  const harness = await importHarness(id, configuration.plugin, context.resolveFrom);
  const options = harness.options.safeParse(configuration.options);
  if (!options.success) {
    const issue = options.error.issues[0];
    const where = ['harnesses', id, 'options', ...(issue?.path ?? [])].join('.');
    throw new DomainError('INVALID_CONFIGURATION', `${where}: ${issue?.message ?? 'not valid'}`);
  }
  refusePlaces(id, harness, configuration.secrets);
  const wanted = configuration.executable ?? harness.defaultExecutable;
  const settings: HarnessSettings<unknown> = {
    executable: await resolved(harness, wanted, context.environment['PATH'] ?? ''),
    hasApiKey: configuration.apiKey !== undefined,
    args: configuration.args,
    options: options.data,
    ...(configuration.model === undefined ? {} : { model: configuration.model }),
    ...(configuration.baseUrl === undefined ? {} : { baseUrl: configuration.baseUrl }),
  };
  const { apiKey } = configuration;
  const reader = (key: string, source: KeySource): (() => Promise<string>) =>
    keyReader(`harnesses.${id}.${key}`, source, context.ownEnvironment);
  const secrets = Object.entries(configuration.secrets).map(([name, source]) => [name, reader(`secrets.${name}`, source)] as const);
  const telemetry = configuration.telemetry ? switchTelemetry(id, harness, context.telemetry) : undefined;
  const configured = { ...inherited(harness, context.ownEnvironment), ...configuration.env };
  return {
    id,
    source: configuration.plugin,
    harness,
    settings,
    configuredEnvironment: configured,
    // What the user has configured under these names wins.
    secrets: { ...omit(telemetry?.headers, configured), ...Object.fromEntries(secrets) },
    wantsTelemetry: configuration.telemetry,
    ...(telemetry ? { telemetry: telemetry.target } : {}),
    ...(apiKey === undefined ? {} : { apiKey: reader('api_key', apiKey) }),
    probe: probeWith(harness, settings, { ...context.environment, ...configured }, context.monotonicMs, Object.keys(configuration.secrets)),
  };
}

/** The program that is run: what was found of that name, or the CLI's own program where that only starts it. */
async function resolved(harness: Harness, name: string, path: string): Promise<string> {
  const executable = await findExecutable(name, path);
  if (executable === undefined) return name;
  for (const native of nativeExecutables(harness, executable)) {
    const found = await findExecutable(native, '');
    if (found !== undefined) return found;
  }
  return executable;
}

/** None where the plugin fails: what was found can be run all the same. */
function nativeExecutables(harness: Harness, executable: string): readonly string[] {
  try {
    return harness.nativeExecutables?.(executable) ?? [];
  } catch {
    return [];
  }
}

/** Where a CLI keeps its sessions has to be known to whoever reads them afterwards. */
function refusePlaces(id: string, harness: Harness, secrets: HarnessConfiguration['secrets']): void {
  const place = harness.environment?.find((name) => name in secrets);
  if (place === undefined) return;
  throw new DomainError(
    'INVALID_CONFIGURATION',
    `harnesses.${id}.secrets.${place}: it says where files of the agent are, and is no secret`,
    {
      hint: `put it into harnesses.${id}.env`,
    },
  );
}

function omit<T>(entries: Readonly<Record<string, T>> = {}, names: object): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(entries).filter(([name]) => !(name in names)));
}

/** What the plugin's CLI gets of the user's environment beside the allowlist. */
function inherited(harness: Harness, environment: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const names = harness.environment ?? [];
  return Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

async function importHarness(id: string, source: string, resolveFrom: readonly string[]): Promise<Harness> {
  const { harness } = await importPlugin(source, resolveFrom, `harnesses.${id}.plugin: `);
  if (harness.harnessId !== id) {
    throw new DomainError('INVALID_CONFIGURATION', `harnesses.${id}.plugin: "${source}" drives "${harness.harnessId}", not "${id}"`, {
      hint: `name the entry ${harness.harnessId}`,
    });
  }
  return guardHarness(harness);
}

/** A plugin as its module gives it, not guarded, and where that module is. `where` begins what is said of one that cannot be had. */
export async function importPlugin(
  source: string,
  resolveFrom: readonly string[],
  where: string,
): Promise<{ readonly harness: Harness; readonly location: string }> {
  const location = locatePlugin(source, resolveFrom, where);
  const found = pluginIn(await importModule(source, location, where));
  if ('harness' in found) return { harness: found.harness, location };
  throw new DomainError('INVALID_CONFIGURATION', `${where}"${source}" ${found.problem}`);
}

/** The file of a plugin's module. */
export function locatePlugin(source: string, resolveFrom: readonly string[], where: string): string {
  const location = locateModule(source, resolveFrom);
  if (location !== undefined) return location;
  throw new DomainError('INVALID_CONFIGURATION', `${where}cannot find "${source}"`, {
    hint: `looked from ${resolveFrom.join(' and ')}; install the package there, or give the path of a module`,
  });
}

/** A module is other people's code: that it is missing or throws while it is loaded is told like any other mistake in the configuration. */
async function importModule(source: string, location: string, where: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(location).href);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new DomainError('INVALID_CONFIGURATION', `${where}"${source}" cannot be loaded: ${message}`, { cause: error });
  }
}
