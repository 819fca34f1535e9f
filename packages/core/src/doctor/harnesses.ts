import type { LoadedConfiguration } from '../config/load.ts';
import { configuredPlugin } from '../load-plugins.ts';
import { errorFrom, type Finding } from './finding.ts';

/** What a probe found of one harness, whoever asked it. */
export interface HarnessFacts {
  readonly id: string;
  readonly status: 'ready' | 'missing' | 'unsupported_version' | 'unauthenticated' | 'unknown';
  readonly version?: string | undefined;
  readonly executable?: string | undefined;
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
}

/** One that cannot be used is a problem if tasks that name none go to it. One of another version runs all the same. */
export function harnessFinding({ id, status, version, executable, message, hint }: HarnessFacts, defaultId: string | undefined): Finding {
  const place = executable === undefined ? {} : { where: executable };
  if (status === 'ready') {
    const text = [version ?? 'ready', message].filter((part) => part !== undefined).join('; ');
    return { check: id, status: message === undefined ? 'ok' : 'warning', message: text, ...place };
  }
  const mend = hint === undefined ? {} : { mend: hint };
  if (status === 'unsupported_version') return { check: id, status: 'warning', message: message ?? status, ...place, ...mend };
  const isDefault = id === defaultId;
  const text = `${message ?? status}${isDefault ? ' (the default harness)' : ''}`;
  return { check: id, status: isDefault ? 'error' : 'warning', message: text, ...place, ...mend };
}

/** Loads and asks each harness, as a daemon would that is started with this environment. */
export async function examineHarnesses(
  loaded: LoadedConfiguration,
  children: Readonly<Record<string, string>>,
  options: { readonly resolveFrom: string; readonly environment: NodeJS.ProcessEnv },
): Promise<Finding[]> {
  const { harness } = loaded.configuration.defaults;
  return await Promise.all(
    Object.keys(loaded.plugins).map(async (id): Promise<Finding> => {
      try {
        const plugin = await configuredPlugin(id, loaded, children, options);
        const probe = await plugin.probe(0);
        if (probe.status === 'missing') return harnessFinding({ id, ...probe }, harness);
        const { executable } = plugin.settings;
        const message = probe.status === 'ready' ? probe.warning : probe.message;
        return harnessFinding({ id, ...probe, executable, message }, harness);
      } catch (error) {
        return errorFrom(id, error);
      }
    }),
  );
}
