import { defined, type AttemptUsage } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import type { Attempt } from '../task/task.ts';

/** What the configuration tells the CLI of its model's context counts before what the CLI's files say of the model. */
export function contextOf(usage: AttemptUsage, plugin: Plugin, attempt: Pick<Attempt, 'requestedModel'>): AttemptUsage['context'] {
  const model = usage.model ?? attempt.requestedModel ?? plugin.settings.model;
  if (model === undefined) return usage.context;
  try {
    const windowTokens = plugin.harness.contextWindow?.(model, plugin.settings) ?? usage.context.windowTokens;
    return defined({ ...usage.context, windowTokens });
  } catch (error) {
    if (error instanceof PluginFailure) return usage.context;
    throw error;
  }
}
