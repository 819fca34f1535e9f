import { DomainError } from '../errors.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { StepFailure } from './step-failure.ts';

/**
 * What a harness gets by file descriptor only: the configured key and secrets, and the configured environment, which may hold credentials too.
 * Read when it is asked for. The first that cannot be read is told by its name and place.
 */
export async function secretsOf(plugin: Plugin, apiKeyVariable: string | undefined): Promise<Record<string, string>> {
  const { apiKey } = plugin;
  const readers = { ...plugin.secrets, ...(apiKey && apiKeyVariable !== undefined ? { [apiKeyVariable]: apiKey } : {}) };
  try {
    const read = await Promise.all(Object.entries(readers).map(async ([name, reader]) => [name, await reader()] as const));
    return { ...plugin.configuredEnvironment, ...Object.fromEntries(read) };
  } catch (error) {
    if (error instanceof DomainError) throw new StepFailure('invalid_configuration', error.message, { cause: error });
    throw error;
  }
}

/** A secret must not take the place of what the plugin says itself: which of the two the CLI then got would depend on how they are handed over. */
export function refuseTakenNames(plugin: Plugin, command: { readonly env: object; readonly apiKeyVariable?: string }): void {
  const taken = Object.keys(plugin.secrets).find((name) => name === (plugin.apiKey && command.apiKeyVariable) || name in command.env);
  if (taken === undefined) return;
  throw new StepFailure(
    'invalid_configuration',
    `harnesses.${plugin.id}.secrets.${taken}: the plugin sets this variable itself: leave it out`,
  );
}
