import { dirname } from 'node:path';
import type { LoadedConfiguration } from './config/load.ts';
import type { Plugin } from './plugins/catalogue.ts';
import { loadPlugin } from './plugins/load.ts';
import type { HarnessExport } from './plugins/telemetry.ts';

export { importPlugin, locatePlugin } from './plugins/load.ts';

export interface LoadPluginsOptions {
  /** Where plugin packages are looked for first; then in the configuration's folder. */
  readonly resolveFrom: string;
  /** The daemon's own environment. */
  readonly environment: NodeJS.ProcessEnv;
  /** Where harnesses that send their own traces send them; absent for whoever starts none. */
  readonly telemetry?: HarnessExport | undefined;
}

/** Every harness that is configured. Rejects with the first that cannot be loaded. */
export async function loadPlugins(
  loaded: LoadedConfiguration,
  children: Readonly<Record<string, string>>,
  options: LoadPluginsOptions,
): Promise<Plugin[]> {
  return await Promise.all(Object.keys(loaded.plugins).map((id) => configuredPlugin(id, loaded, children, options)));
}

/** One harness, as the configuration has it. `children` is the environment of what the daemon starts. */
export async function configuredPlugin(
  id: string,
  { configuration, plugins, file }: LoadedConfiguration,
  children: Readonly<Record<string, string>>,
  options: LoadPluginsOptions,
): Promise<Plugin> {
  const own = configuration.harnesses[id];
  return await loadPlugin(
    id,
    {
      plugin: plugins[id] ?? id,
      executable: own?.executable,
      model: own?.model,
      baseUrl: own?.base_url,
      apiKey: own?.api_key,
      env: own?.env ?? {},
      secrets: own?.secrets ?? {},
      args: own?.args ?? [],
      options: own?.options ?? {},
      telemetry: own?.telemetry ?? false,
    },
    {
      resolveFrom: [options.resolveFrom, ...(file === undefined ? [] : [dirname(file)])],
      environment: children,
      ownEnvironment: options.environment,
      monotonicMs: () => performance.now(),
      telemetry: options.telemetry,
    },
  );
}
