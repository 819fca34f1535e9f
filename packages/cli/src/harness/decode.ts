import type { Baseline, Harness, HarnessEvent, OutputSource } from '@singletree/harness';
import { CommandFailure } from '../failure.ts';

/** The events of one output, as they come. */
export async function* decoded(
  harness: Harness,
  source: OutputSource,
  bytes: AsyncIterable<Uint8Array>,
  baseline: Baseline | undefined,
): AsyncGenerator<readonly HarnessEvent[]> {
  const decoder = harness.decoder(source, baseline);
  for await (const piece of bytes) yield asked(() => decoder.push(piece));
  yield asked(() => decoder.end());
}

/** What a plugin answers. That it breaks its contract is nobody's mistake who has typed the command. */
export function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'PluginFailure') throw error;
    throw new CommandFailure(error.message, { code: 'internal', reason: 'PLUGIN_FAILED' });
  }
}
