/**
 * Where it has a plugin to load, OpenCode first waits for a package of its own that it fetches from npm once: not for minutes where there is no
 * network.
 */
export const startEnvironment = { npm_config_fetch_retries: '0', npm_config_fetch_timeout: '10000' } as const;

/** They are meant for OpenCode alone, and not for the programs that its agents run. */
export function forThisStartOnly(): void {
  for (const name of Object.keys(startEnvironment)) delete process.env[name];
}
