import { DomainError } from '../errors.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { StepFailure } from './step-failure.ts';

/** What a harness gets by file descriptor only: the configured key and the configured environment, which may hold credentials too. */
export async function secretsOf(plugin: Plugin, apiKeyVariable: string | undefined): Promise<Record<string, string>> {
  if (!plugin.apiKey || apiKeyVariable === undefined) return { ...plugin.configuredEnvironment };
  try {
    return { ...plugin.configuredEnvironment, [apiKeyVariable]: await plugin.apiKey() };
  } catch (error) {
    if (error instanceof DomainError) throw new StepFailure('invalid_configuration', error.message, { cause: error });
    throw error;
  }
}
