import { arrayOf, isJsonObject } from '../json.ts';
import { below, pick } from './random.ts';

const wrongValues: readonly unknown[] = [null, true, -1, 0.5, 1e300, '', 'x', '\u0000', [], {}, [null], { type: 7 }];

/** A line that a CLI would not print: bytes lost, doubled or changed, or a value of the wrong type somewhere in its JSON. */
export function mutateLine(line: string, random: () => number): string {
  switch (below(random, 5)) {
    case 0:
      return line.slice(0, below(random, line.length + 1));
    case 1: {
      const at = below(random, line.length + 1);
      return line.slice(0, at) + String.fromCharCode(below(random, 0x300)) + line.slice(at + below(random, 3));
    }
    default:
      return mutateJson(line, random);
  }
}

function mutateJson(line: string, random: () => number): string {
  try {
    return JSON.stringify(replaceOne(JSON.parse(line), random)) ?? 'null';
  } catch {
    return line; // was no JSON before either
  }
}

/** Goes down a random path and puts a wrong value at its end. */
function replaceOne(value: unknown, random: () => number): unknown {
  const deeper = random() < 0.8;
  if (deeper && Array.isArray(value) && value.length > 0) {
    const at = below(random, value.length);
    return arrayOf(value).map((entry, index) => (index === at ? replaceOne(entry, random) : entry));
  }
  if (deeper && isJsonObject(value) && Object.keys(value).length > 0) {
    const key = pick(random, Object.keys(value));
    return { ...value, [key]: replaceOne(value[key], random) };
  }
  return pick(random, wrongValues);
}
