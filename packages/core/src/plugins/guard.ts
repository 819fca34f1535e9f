import { RefusedAttempt, type Decoder, type Harness, type Reconciliation } from '@singletree/harness';
import type { z } from 'zod';
import {
  baselineShape,
  commandShape,
  contextWindowShape,
  eventsShape,
  evidenceShape,
  executablesShape,
  probeShape,
  reconciliationShape,
  sessionFilesShape,
  sessionQueriesShape,
} from '@singletree/harness/shapes';

/** A plugin broke its contract: it threw, or answered what it must not. Trying again would change nothing. */
export class PluginFailure extends Error {
  override readonly name = 'PluginFailure';
}

/**
 * The same harness, which keeps its contract or throws `PluginFailure` with its own name, the method and what was wrong. Whoever asks a
 * plugin asks it through here, so that nothing that it does wrong gets into the store, or is taken for a passing fault of the machine.
 */
export function guardHarness(harness: Harness): Harness {
  const failure = (method: string, error: unknown): PluginFailure => {
    const what = error instanceof Error ? error.message : String(error);
    return new PluginFailure(`the plugin of harness "${harness.harnessId}" failed in ${method}: ${what}`, { cause: error });
  };
  const ask = <T>(method: string, shape: z.ZodType<T>, call: () => unknown): T => {
    try {
      return checked(shape, call());
    } catch (error) {
      throw error instanceof RefusedAttempt ? error : failure(method, error);
    }
  };
  const { specificationVersion, harnessId, displayName, defaultExecutable, provider, supportedVersions, decoderVersion } = harness;
  return {
    specificationVersion,
    harnessId,
    displayName,
    defaultExecutable,
    ...(provider === undefined ? {} : { provider }),
    supportedVersions,
    ...(harness.knownLimits === undefined ? {} : { knownLimits: harness.knownLimits }),
    decoderVersion,
    capabilities: harness.capabilities,
    options: harness.options,

    async probe(host, settings) {
      try {
        return checked(probeShape, await harness.probe(host, settings));
      } catch (error) {
        throw failure('probe', error);
      }
    },

    command: (attempt, settings) => ask('command', commandShape, () => harness.command(attempt, settings)),

    decoder(source, baseline): Decoder {
      let inner: Decoder | undefined;
      let given = 0;
      // Made at the first call, so that a plugin that cannot make one fails where each failure of a decoder is met.
      const decode = (method: string, call: (decoder: Decoder) => unknown): ReturnType<Decoder['push']> =>
        ask(`decoder.${method}`, eventsShape, () => {
          inner ??= harness.decoder(source, baseline);
          return call(inner);
        }).map((event) => {
          if (event.source === source && event.endsAt <= given) return event;
          throw failure(`decoder.${method}`, `a ${event.kind} event ends at ${event.source}:${event.endsAt} of ${source}:${given}`);
        });
      return {
        push(bytes) {
          given += bytes.length;
          return decode('push', (decoder) => decoder.push(bytes));
        },
        end: () => decode('end', (decoder) => decoder.end()),
      };
    },

    ...(harness.environment === undefined ? {} : { environment: harness.environment }),
    ...(harness.projectConfiguration === undefined ? {} : { projectConfiguration: harness.projectConfiguration }),
    ...(harness.nativeExecutables
      ? {
          nativeExecutables: (executable: string) =>
            ask('nativeExecutables', executablesShape, () => harness.nativeExecutables?.(executable)),
        }
      : {}),
    ...(harness.sessionFiles
      ? {
          sessionFiles: (...asked: Parameters<NonNullable<Harness['sessionFiles']>>) =>
            ask('sessionFiles', sessionFilesShape, () => harness.sessionFiles?.(...asked)),
        }
      : {}),
    ...(harness.sessionQueries
      ? { sessionQueries: (sessionId: string) => ask('sessionQueries', sessionQueriesShape, () => harness.sessionQueries?.(sessionId)) }
      : {}),
    ...(harness.contextWindow
      ? {
          contextWindow: (...asked: Parameters<NonNullable<Harness['contextWindow']>>) =>
            ask('contextWindow', contextWindowShape, () => harness.contextWindow?.(...asked)),
        }
      : {}),
    ...(harness.baseline
      ? {
          baseline: (...asked: Parameters<NonNullable<Harness['baseline']>>) =>
            ask('baseline', baselineShape, () => harness.baseline?.(...asked)),
        }
      : {}),
    ...(harness.reconcile
      ? {
          reconcile: (...asked: Parameters<NonNullable<Harness['reconcile']>>): Reconciliation | undefined =>
            ask('reconcile', reconciliationShape, () => harness.reconcile?.(...asked)),
        }
      : {}),
    ...(harness.exitEvidence
      ? {
          exitEvidence: (...asked: Parameters<NonNullable<Harness['exitEvidence']>>) =>
            ask('exitEvidence', evidenceShape, () => harness.exitEvidence?.(...asked)),
        }
      : {}),
  };
}

function checked<T>(shape: z.ZodType<T>, answer: unknown): T {
  const result = shape.safeParse(answer);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new Error([['its answer', ...(issue?.path ?? [])].join('.'), issue?.message ?? 'not valid'].join(': '));
}
