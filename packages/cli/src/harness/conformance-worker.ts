import { pathToFileURL } from 'node:url';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { isJsonObject, pluginIn } from '@singletree/harness';
import { conformanceSuite, readFixtures, recordedVersionOutput, runSuite } from '@singletree/harness/testing';
import type { Heard, Trial } from './conformance-trial.ts';

/** The thread in which a plugin is tried: whatever it does there ends no more than this. */
async function tryPlugin({ location, fixtures, from, options }: Trial, tell: (heard: Heard) => void): Promise<void> {
  const found = pluginIn(await import(pathToFileURL(location).href));
  if ('problem' in found) return tell({ kind: 'refused', message: `it ${found.problem}` });
  const { harness } = found;
  const folder = pathToFileURL(`${fixtures}/`);
  const cases = conformanceSuite(harness, readFixtures(folder), { ...options, versionOutput: recordedVersionOutput(folder) });
  const { harnessId, decoderVersion } = harness;
  tell({ kind: 'loaded', harness: harnessId, decoderVersion, cases: cases.map(({ rule, name }) => ({ rule, name })) });
  let at = from;
  for await (const result of runSuite(cases.slice(from), Number.POSITIVE_INFINITY)) {
    tell({ kind: 'tried', at, result });
    at += 1;
  }
}

function isTrial(value: unknown): value is Trial {
  return (
    isJsonObject(value) &&
    typeof value['location'] === 'string' &&
    typeof value['fixtures'] === 'string' &&
    typeof value['from'] === 'number'
  );
}

if (!isMainThread && isTrial(workerData)) {
  const tell = (heard: Heard): void => parentPort?.postMessage(heard, []);
  try {
    await tryPlugin(workerData, tell);
  } catch (error) {
    tell({ kind: 'refused', message: error instanceof Error ? error.message : String(error) });
  }
}
