import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Hardness, ProcessFile, ProcessSpec, StopRequest } from '../protocol.ts';
import { isObject, parseFile } from './files.ts';
import { inTodaysWords, isUnderstood, protocol } from './versions.ts';

/** From the softest on. */
export const hardnesses = ['interrupt', 'terminate', 'kill'] as const satisfies readonly Hardness[];

export function readSpec(directory: string): ProcessSpec {
  const path = join(directory, 'spec.json' satisfies ProcessFile);
  const spec = inTodaysWords(parseFile(path));
  if (!isSpec(spec)) throw new Error(`${path} is not written for protocol ${protocol} or the one before, which this shim speaks`);
  return spec;
}

/** The protocol's version stands for its whole shape: the file was written and synced by our own daemon. */
function isSpec(value: unknown): value is ProcessSpec {
  return isObject(value) && isUnderstood(value['protocol']);
}

/** The stop requests in the order in which they were made. */
export function readStops(directory: string): StopRequest[] {
  return readdirSync(join(directory, 'stop'))
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => parseFile(join(directory, 'stop', name)))
    .filter(isStopRequest);
}

/** One that a newer daemon makes and that this shim does not understand is left alone, not obeyed by half. */
function isStopRequest(value: unknown): value is StopRequest {
  return isObject(value) && hardnesses.some((hardness) => hardness === value['hardness']) && typeof value['kind'] === 'string';
}
