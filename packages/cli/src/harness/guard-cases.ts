import { isDeepStrictEqual } from 'node:util';
import type { Harness, HarnessEvent } from '@singletree/harness';
import { ConformanceFailure, type CaseResult, type Fixture } from '@singletree/harness/testing';

type Case = Pick<CaseResult, 'rule' | 'name'> & { run(): void };

/** What the daemon takes of a plugin's answers: it leaves out what is not in the contract, and ends an attempt for what contradicts it. */
export function guardCases(harness: Harness, guarded: Harness, fixtures: readonly Fixture[]): readonly Case[] {
  return fixtures.map((fixture) => ({
    rule: 'event shapes',
    name: `${fixture.name}: the daemon takes every event as it is`,
    run: () => {
      const [own, taken] = [eventsOf(harness, fixture), eventsOf(guarded, fixture)];
      const at = own.findIndex((event, place) => !isDeepStrictEqual(event, taken[place]));
      if (at >= 0)
        throw new ConformanceFailure(`the plugin gives ${JSON.stringify(own[at])}\nthe daemon takes ${JSON.stringify(taken[at])}`);
    },
  }));
}

function eventsOf(harness: Harness, { stdout, baseline }: Fixture): readonly HarnessEvent[] {
  const decoder = harness.decoder('stdout', baseline);
  const events: HarnessEvent[] = [];
  for (let at = 0; at < stdout.length; at += 256 * 1024) events.push(...decoder.push(stdout.subarray(at, at + 256 * 1024)));
  return [...events, ...decoder.end()];
}
