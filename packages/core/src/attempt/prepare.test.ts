import { describe, expect, test } from 'vitest';
import { after, claim, created, exited, running, silent } from '../task/samples.testsuite.ts';
import type { AttemptAccount, Limits, Task } from '../task/task.ts';
import { noPrices, type Prices } from '../pricing/prices.ts';
import { prepare } from './prepare.ts';
import type { Rooms } from './rooms.ts';

/** Nothing of the world is asked for: whoever looks at a room of these throws. */
const nothing = new Proxy({} as Rooms, {
  get(_, room) {
    throw new Error(`asked for ${String(room)}`);
  },
});

function again(limits: Partial<Limits>, usedMs: number, turns: number, more: Partial<AttemptAccount> = {}): Task {
  const spec = created().spec.limits;
  return after(
    created({ limits: { ...spec, ...limits } }),
    ...running,
    exited('harness-1', { code: 1, durationMs: usedMs }),
    silent({ turns, ...more }),
    claim,
  );
}

test.each([
  ['time', again({ timeoutMs: 5_000 }, 5_000, 1), 'timeout', 'the task used up its 5 s; raise the limit timeout, or split the task'],
  [
    'turns',
    again({ maxTurns: 7 }, 1, 7),
    'turn_limit',
    'all 7 model calls of the task are used up; raise the limit max_turns, or split the task',
  ],
  [
    'tokens',
    again({ maxTokens: 9 }, 1, 1, { usage: { outputTokens: 9, provenance: 'reported', lowerBound: false } }),
    'token_limit',
    'the 9 tokens of the task are used up: 9 tokens by now; raise the limit max_tokens, or split the task',
  ],
  [
    'money',
    again({ maxCostUsdMicros: 10_000 }, 1, 1, { costUsdMicros: 20_000 }),
    'cost_limit',
    'the $0.01 of the task are used up: $0.02 by now; raise the limit on its cost, declare prices that are not known, or split the task',
  ],
])('no attempt begins for which there is no %s left', async (_, task, reason, message) => {
  expect(await prepare(task, nothing)).toEqual({ kind: 'fail', reason, message });
});

test('one with a little left begins', async () => {
  await expect(prepare(again({ timeoutMs: 5_000, maxTurns: 7 }, 4_999, 6), nothing)).rejects.toThrow('asked for plugins');
});

describe('a limit on cost, with a harness that tells none', () => {
  const free: Prices = { price: () => ({ usd: 0, source: 'declared_free', version: '1' }) };
  const task = after(created({ limits: { ...created().spec.limits, maxCostUsdMicros: 5 }, model: 'm' }), claim);
  const rooms = (prices: Prices, harness: object): Rooms => {
    const plugin = { harness, settings: {}, probe: async () => ({ status: 'ready' }) };
    const workspaces = { open: async () => 'opened' };
    return { prices, plugins: { get: () => plugin }, now: () => 0, workspaces } as unknown as Rooms;
  };
  const silentHarness = { capabilities: { cost: false } };

  test('is refused before anything is made where its model has no price', async () => {
    await expect(prepare(task, rooms(noPrices, silentHarness))).rejects.toMatchObject({
      reason: 'invalid_configuration',
      message: expect.stringMatching(/^a limit on cost cannot hold: no prices are known; declare its price/) as string,
    });
  });

  test.each([
    ['its model has a price', task, free, silentHarness],
    ['the harness tells what it costs', task, noPrices, { capabilities: { cost: true } }],
    ['nobody knows yet which model it will be', after(created({ limits: task.spec.limits }), claim), noPrices, silentHarness],
    ['there is none', after(created({ model: 'm' }), claim), noPrices, silentHarness],
  ])('is none where %s', async (_, begun, prices, harness) => {
    expect(await prepare(begun, rooms(prices, harness))).toEqual({ kind: 'open_workspace', workspace: 'opened' });
  });
});
