import { isJsonObject, parseJsonObject } from '../json.ts';
import type { AttemptUsage } from '../usage.ts';
import type { ConformanceCase, Subject } from './case.ts';
import type { Fixture } from './fixtures.ts';
import { check, fold, play } from './play.ts';

/** So many recordings show every place where a CLI tells a figure. */
const mostRecordings = 8;

/** Unknown is never zero: a figure that a CLI of tomorrow does not tell any more must be missed. */
export function absenceCases({ harness, fixtures, options }: Subject): ConformanceCase[] {
  if (options.leavesOutZeros) return [];
  const telling = fixtures.filter((fixture) => usesTokens(fold(harness, play(harness, fixture))));
  const few = telling.toSorted((a, b) => a.stdout.length - b.stdout.length).slice(0, mostRecordings);
  return few.map((fixture) => ({
    rule: 'absent figures',
    name: `${fixture.name}: a figure that is not told any more is absent, never 0`,
    run: () => {
      const told = figuresOf(fold(harness, play(harness, fixture)));
      for (const key of numberKeys(fixture)) {
        const left = figuresOf(fold(harness, play(harness, fixture, without(fixture, key))));
        for (const [figure, value] of told)
          check(!(value > 0 && left.get(figure) === 0), `without "${key}" in any line, ${figure} is 0 instead of absent`);
      }
    },
  }));
}

function usesTokens({ total }: AttemptUsage): boolean {
  return Object.values(total).some((tokens) => tokens > 0);
}

function figuresOf({ total, subagents = {}, context, costUsdMicros }: AttemptUsage): ReadonlyMap<string, number> {
  const figures = new Map<string, number>();
  const add = (part: object, suffix = ''): void => {
    for (const [name, value] of Object.entries(part)) if (typeof value === 'number') figures.set(name + suffix, value);
  };
  add(total);
  add(subagents, ' of sub-agents');
  add(context);
  add({ costUsdMicros });
  return figures;
}

/** Names under which a recording has numbers. */
function numberKeys({ stdout }: Fixture): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const line of linesOf(stdout))
    parsedWith(line, (key, value) => (typeof value === 'number' && !/^\d*$/.test(key) && keys.add(key), value));
  return keys;
}

function without({ stdout }: Fixture, key: string): Uint8Array {
  const lines = linesOf(stdout).map((line) => {
    if (!line.includes(key) || parseJsonObject(line) === undefined) return line;
    return JSON.stringify(parsedWith(line, (name, value) => (name === key && typeof value === 'number' ? undefined : value)));
  });
  return Buffer.from(lines.join('\n'));
}

function parsedWith(line: string, change: (key: string, value: unknown) => unknown): unknown {
  try {
    const json: unknown = JSON.parse(line, change);
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function linesOf(stdout: Uint8Array): readonly string[] {
  return Buffer.from(stdout).toString('utf8').split('\n');
}
