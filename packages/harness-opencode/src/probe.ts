import { probeVersion, type HarnessSettings, type Probe, type ProbeHost } from '@singletree/harness';
import { newestVersion, oldestVersion } from './capabilities.ts';

/** Whether it is logged in depends on the provider of the model; some need no key at all. The first call will tell. */
export async function probe(host: ProbeHost, _settings: HarnessSettings<unknown>): Promise<Probe> {
  return await probeVersion(host, {
    displayName: 'OpenCode',
    args: ['--version'],
    pattern: /^v?(\d+\.\d+\.\d+)\s*$/m,
    oldest: oldestVersion,
    newest: newestVersion,
    install: 'npm install --global opencode-ai',
  });
}
