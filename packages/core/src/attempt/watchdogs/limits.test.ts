import type { Capabilities } from '@singletree/harness';
import { describe, expect, test } from 'vitest';
import { aSpec, created } from '../../task/samples.testsuite.ts';
import type { Limits, Task } from '../../task/task.ts';
import { daemonLimits, needsDaemon, tellsTurns, usedUp } from './daemon-limits.ts';
import { nearLimits, type Standing } from './limits.ts';

const limits: Limits = {
  ...aSpec().limits,
  timeoutMs: 100_000,
  attemptTimeoutMs: 50_000,
  firstOutputMs: 10_000,
  stallMs: 20_000,
  maxOutputBytes: 1_000,
};
const nothing: Standing = { elapsedMs: 0, silentMs: 0, bytes: 1 };

function near(standing: Partial<Standing>, usedMs = 0, without: Partial<Limits> = {}): string[] {
  const task = { spec: aSpec({ limits: { ...limits, ...without } }), usedMs };
  return nearLimits(task, { ...nothing, ...standing }).map(({ about }) => about);
}

describe('a limit of the shim is near at 80 % and not before', () => {
  test.each<[string, string[], string[]]>([
    ['timeout, with the attempts before', near({ elapsedMs: 19_999 }, 60_000), near({ elapsedMs: 20_000 }, 60_000)],
    ['attempt_timeout', near({ elapsedMs: 39_999 }), near({ elapsedMs: 40_000 })],
    ['first_output', near({ silentMs: 7_999, bytes: 0 }), near({ silentMs: 8_000, bytes: 0 })],
    ['stall', near({ silentMs: 15_999 }), near({ silentMs: 16_000 })],
    ['output_limit', near({ bytes: 799 }), near({ bytes: 800 })],
  ])('%s', (name, before, at) => {
    expect(before).toEqual([]);
    expect(at).toEqual([name.split(',')[0]]);
  });

  test('and one that is not set never', () => {
    expect(near({ elapsedMs: 79_999, silentMs: 79_999 }, 0, { attemptTimeoutMs: undefined, stallMs: undefined } as never)).toEqual([]);
  });

  test('in words', () => {
    const task = { spec: aSpec({ limits }), usedMs: 0 };
    expect(nearLimits(task, { elapsedMs: 80_000, silentMs: 16_000, bytes: 800 }).map(({ message }) => message)).toEqual([
      "80 % of the task's 100 s are used up",
      "80 % of the attempt's 50 s are used up",
      'nothing was written for 80 % of the 20 s that are allowed',
      '80 % of the 1000 bytes that may be written are used up',
    ]);
  });
});

const telling: Capabilities = {
  resume: true,
  choosesSessionId: true,
  usage: { scope: 'model_call', counts: 'delta' },
  contextWindow: true,
  compaction: true,
  cost: true,
  permissionModes: ['all'],
};

describe('model calls', () => {
  const withTurns = (maxTurns: number, ...before: (number | undefined)[]): Task => {
    const task = created({ limits: { ...limits, maxTurns } });
    const attempts = [...before, undefined].map((turns, index) => ({
      number: index + 1,
      state: 'ended' as const,
      harness: 'h',
      preparedAt: 0,
      recorded: { stdout: 0, stderr: 0 },
      account: turns === undefined ? {} : { turns },
    }));
    return { ...task, attempts };
  };
  const stops = (task: Task, count: number, goesOn = false): string[] =>
    daemonLimits(task, { count, goesOn }).flatMap(({ about, stop }) => (stop ? [stop] : [about]));

  test('need a daemon only where they are limited', () => {
    expect(needsDaemon(withTurns(5), telling)).toBe(true);
    expect(needsDaemon(created({ limits }), telling)).toBe(false);
    expect(daemonLimits(created({ limits }), { count: 99, goesOn: true })).toEqual([]);
  });

  test('warn at 80 %, and stop where the agent goes on after the last one: never a task that ends with it', () => {
    expect(stops(withTurns(5), 3, true)).toEqual([]);
    expect(stops(withTurns(5), 4, true)).toEqual(['turns']);
    expect(stops(withTurns(5), 5)).toEqual(['turns']);
    expect(stops(withTurns(5), 5, true)).toEqual(['turns', 'turn_limit']);
    expect(stops(withTurns(5), 6)).toEqual(['turns', 'turn_limit']);
    expect(daemonLimits(withTurns(5), { count: 4, goesOn: false })[0]?.message).toBe("80 % of the task's 5 model calls are used up");
    expect(daemonLimits(withTurns(5), { count: 6, goesOn: false })[1]?.message).toBe('all 5 model calls of the task are used up');
  });

  test('are those of all attempts, as far as they are known', () => {
    expect(stops(withTurns(5, 2, undefined, 1), 1)).toEqual(['turns']);
    expect(stops(withTurns(5, 2, undefined, 1), 3)).toEqual(['turns', 'turn_limit']);
    expect(stops(withTurns(5, undefined), 3, true)).toEqual([]);
  });

  test.each(['none', { scope: 'session', counts: 'cumulative' }] as const)(
    'that are not told (%o) are held to nothing, and that is said',
    (usage) => {
      const silent = { ...telling, usage };
      expect([telling, silent].map(tellsTurns)).toEqual([true, false]);
      expect(needsDaemon(withTurns(5), silent)).toBe(false);
      expect(daemonLimits(withTurns(5), 'untold')).toEqual([
        { about: 'turns', message: 'claude_code does not tell its model calls: max_turns cannot hold it' },
      ]);
      expect(daemonLimits(created({ limits }), 'untold')).toEqual([]);
    },
  );

  test('that are used up let no further attempt begin', () => {
    const { attempts, ...task } = withTurns(5, 2, 3);
    expect(usedUp({ ...task, attempts: attempts.slice(0, 1) })).toBeUndefined();
    expect(usedUp({ ...task, attempts })).toMatchObject({ stop: 'turn_limit' });
  });
});
