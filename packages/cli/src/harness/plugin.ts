import { dirname } from 'node:path';
import { childEnvironment, configuredPlugin, type Plugin } from '@singletree/core/kit';
import { loadConfiguration, nearest, type LoadedConfiguration } from '@singletree/core/local';
import type { Call } from '../call.ts';
import { configOf } from '../daemon/ensure.ts';
import { badInput } from '../failure.ts';
import { packageFolder } from '../package.ts';

/** One configured harness, as a daemon would load it that is started here; `environment` is what that daemon would get. */
export async function pluginOf(
  id: string,
  call: Call,
  config: string | undefined,
  environment: NodeJS.ProcessEnv = call.world.env,
): Promise<Plugin> {
  const loaded = configuration(call, config, environment);
  checkKnown(id, loaded);
  return await configuredPlugin(id, loaded, childEnvironment(environment), { resolveFrom: packageFolder, environment });
}

/** The folders from which its package is resolved, as the daemon does. */
export function pluginFolders(call: Call, config: string | undefined, environment: NodeJS.ProcessEnv): readonly string[] {
  const { file } = configuration(call, config, environment);
  return [packageFolder, ...(file === undefined ? [] : [dirname(file)])];
}

function configuration(call: Call, config: string | undefined, environment: NodeJS.ProcessEnv): LoadedConfiguration {
  return loadConfiguration(configOf(config, call.world), environment);
}

function checkKnown(id: string, loaded: LoadedConfiguration): void {
  const known = Object.keys(loaded.plugins);
  if (known.includes(id)) return;
  const meant = nearest(id, known);
  const hint = [`known harnesses: ${known.join(', ')}`, ...(meant === undefined ? [] : [`did you mean ${meant}?`])].join('\n');
  throw badInput(`unknown harness "${id}"`, hint, 'UNKNOWN_HARNESS', { harness: id, known: known.join(',') });
}
