import { configurationHash, loadConfiguration, otelHash, readAddress, statePaths } from '@singletree/core/local';
import { readVersion } from '../package.ts';
import { isAlive } from './alive.ts';

/**
 * In what a daemon that runs differs from the one that this command would start, in words. Throws where that one's configuration is bad:
 * whoever mistyped a key wants to know it now.
 */
export function differences(state: string, config: string | undefined, env: NodeJS.ProcessEnv): string[] {
  const loaded = loadConfiguration(config, env);
  const running = readAddress(statePaths(state).address);
  if (!running || !isAlive(running.pid)) return [];
  const { version, configHash, otelHash: otel } = running;
  const own = readVersion();
  return [
    ...(version === own ? [] : [`version ${version}; this is ${own}`]),
    ...(configHash === undefined || configHash === configurationHash(loaded)
      ? []
      : [`another configuration than this shell would give it${loaded.file === undefined ? '' : ` (${loaded.file})`}`]),
    ...(otel === undefined || otel === otelHash(env) ? [] : ['other OTEL_* variables than this shell']),
  ].map((difference) => `the daemon that runs (pid ${running.pid}) has ${difference}`);
}
