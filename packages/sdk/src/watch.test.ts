import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { eventsOfTask, inMessages, refusal, ScriptedDaemon } from '../test/scripted-daemon.ts';
import { connect } from './client.ts';
import { NoDaemonError } from './errors.ts';
import type { WatchOptions } from './watch.ts';

const length = 8;
const events = eventsOfTask(length);
const all = events.map(({ sequence }) => Number(sequence));

async function sequences(daemon: ScriptedDaemon, options: WatchOptions = {}): Promise<number[]> {
  const given: number[] = [];
  for await (const { sequence } of connect({ address: daemon.address }).tasks.watch('task', options)) given.push(sequence);
  return given;
}

const waysToBreak = {
  'the connection is cut': (daemon: ScriptedDaemon) => daemon.cut(),
  'the stream ends early': () => {},
  'the daemon shuts down': () => {
    throw refusal(Code.Unavailable, 'SHUTTING_DOWN', 'the daemon is shutting down');
  },
  'the daemon gives the call up': () => {
    throw new ConnectError('cancelled', Code.Canceled);
  },
};
const places = Object.entries(waysToBreak).flatMap(([way, act]) => Array.from({ length }, (_, seen) => ({ way, seen, act })));

test.each(places)('$way after $seen events: no event is missing or comes twice', async ({ seen, act }) => {
  const asked: number[] = [];
  const daemon: ScriptedDaemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask({ afterSequence }) {
        asked.push(Number(afterSequence));
        const rest = events.slice(Number(afterSequence));
        if (asked.length > 1) return yield* inMessages(rest, 3);
        yield* inMessages(rest.slice(0, seen), 2);
        // What was yielded is only sent once the event loop turns.
        await sleep(5);
        act(daemon);
      },
    },
  });
  await using _ = daemon;
  expect(await sequences(daemon)).toEqual(all);
  expect(asked).toEqual([0, seen]);
});

test('events that come again are not given again, and one that is left out is asked for', async () => {
  const streams = [
    [1, 2],
    [1, 2, 3, 5],
    [4, 5, 6, 7, 8],
  ];
  const asked: number[] = [];
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask({ afterSequence }) {
        asked.push(Number(afterSequence));
        const stream = streams.shift() ?? [];
        yield { events: events.filter(({ sequence }) => stream.includes(Number(sequence))) };
      },
    },
  });
  expect(await sequences(daemon)).toEqual(all);
  expect(asked).toEqual([0, 2, 3]);
});

test('a daemon that is started again at the same place is waited for', async () => {
  const script = (to: number) => ({
    tasks: {
      async *watchTask({ afterSequence }: { afterSequence: bigint }) {
        yield { events: events.slice(Number(afterSequence), to) };
        if (to < length) await sleep(60_000, undefined, { ref: false });
      },
    },
  });
  await using daemon = await ScriptedDaemon.start(script(4));
  const given: number[] = [];
  const client = connect({ address: daemon.address });
  for await (const { sequence } of client.tasks.watch('task')) {
    given.push(sequence);
    if (sequence !== 4) continue;
    await daemon.stop();
    setTimeout(() => void daemon.listen(script(length)), 150);
  }
  expect(given).toEqual(all);
});

test('heartbeats keep a quiet stream alive, and a silent one is taken up again', async () => {
  const asked: number[] = [];
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask({ afterSequence }, { signal }) {
        asked.push(Number(afterSequence));
        for (let beat = 0; beat < 30; beat++) {
          await sleep(10);
          yield { heartbeat: { state: 1, waiting: { waitingFor: 1, tasksAhead: 2 } } };
        }
        if (asked.length === 1) await sleep(60_000, undefined, { signal, ref: false }).catch(() => {});
        else yield { events };
      },
    },
  });
  const waits: unknown[] = [];
  const given = await sequences(daemon, { heartbeatMs: 50, onHeartbeat: ({ waiting }) => waits.push(waiting) });
  expect(given).toEqual(all);
  expect(asked).toEqual([0, 0]);
  expect(waits.at(-1)).toEqual({ waitingFor: 'limit', tasksAhead: 2 });
});

test('a slow reader is no silent daemon', async () => {
  let streams = 0;
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask() {
        streams += 1;
        yield* inMessages(events, 1);
      },
    },
  });
  const client = connect({ address: daemon.address });
  for await (const { sequence } of client.tasks.watch('task', { heartbeatMs: 10 })) if (sequence === 3) await sleep(100);
  expect(streams).toBe(1);
});

test('a watch goes on after the sequence that is known', async () => {
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask({ afterSequence }) {
        yield { events: events.slice(Number(afterSequence)) };
      },
    },
  });
  expect(await sequences(daemon, { afterSequence: 5 })).toEqual([6, 7, 8]);
});

test('a refusal ends the watch at once, with its reason', async () => {
  let streams = 0;
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      watchTask: () => {
        streams += 1;
        throw refusal(Code.OutOfRange, 'SEQUENCE_COMPACTED', 'events up to 7 are no longer kept');
      },
    },
  });
  await expect(sequences(daemon)).rejects.toMatchObject({ code: 'out_of_range', reason: 'SEQUENCE_COMPACTED' });
  expect(streams).toBe(1);
});

test('without a daemon from the start there is nothing to wait for', async () => {
  await using daemon = await ScriptedDaemon.start({});
  await daemon.stop();
  await expect(sequences(daemon)).rejects.toBeInstanceOf(NoDaemonError);
});

test('a daemon that stays away is given up', async () => {
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask() {
        yield { events: events.slice(0, 1) };
        void daemon.stop();
      },
    },
  });
  await expect(sequences(daemon, { reconnectForMs: 200 })).rejects.toBeInstanceOf(NoDaemonError);
});

test('leaving the loop and aborting the signal both end the stream at the daemon', async () => {
  let open = 0;
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *watchTask(_, { signal }) {
        open += 1;
        yield { events: events.slice(0, 1) };
        await sleep(60_000, undefined, { signal, ref: false }).catch(() => {});
        open -= 1;
      },
    },
  });
  const client = connect({ address: daemon.address });
  for await (const _ of client.tasks.watch('task')) break;
  await expect.poll(() => open).toBe(0);

  const abort = new AbortController();
  const watched = sequences(daemon, { signal: abort.signal });
  await expect.poll(() => open).toBe(1);
  abort.abort(new Error('enough'));
  await expect(watched).rejects.toThrow('enough');
  await expect.poll(() => open).toBe(0);
});
