import { setTimeout as sleep } from 'node:timers/promises';
import type { HandlerContext } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { ScriptedDaemon, type Script } from '../test/scripted-daemon.ts';
import { connect, type Singletree } from './client.ts';
import type { CallSettings } from './deadline.ts';
import { DeadlineError } from './errors.ts';
import { Tasks } from './tasks.ts';

/** Every call of the client but `run`, whose signal cancels the task, by where it is found. */
const calls: Readonly<Record<string, (client: Singletree, settings: CallSettings) => Promise<unknown>>> = {
  'tasks.create': ({ tasks }, settings) => tasks.create({ instructions: 'x', workspace: '/w' }, settings),
  'tasks.get': ({ tasks }, settings) => tasks.get('a', settings),
  'tasks.list': ({ tasks }, settings) => all(tasks.list(settings)),
  'tasks.page': ({ tasks }, settings) => tasks.page(settings),
  'tasks.watch': ({ tasks }, settings) => all(tasks.watch('a', settings)),
  'tasks.logs': ({ tasks }, settings) => all(tasks.logs('a', settings)),
  'tasks.modelCalls': ({ tasks }, settings) => all(tasks.modelCalls('a', settings)),
  'tasks.cancel': ({ tasks }, settings) => tasks.cancel('a', settings),
  'tasks.terminate': ({ tasks }, settings) => tasks.terminate('a', settings),
  'tasks.unblock': ({ tasks }, settings) => tasks.unblock('a', settings),
  'tasks.rerun': ({ tasks }, settings) => tasks.rerun('a', settings),
  'completions.list': ({ completions }, settings) => all(completions.list(settings)),
  'completions.export': ({ completions }, settings) => all(completions.export({ format: 'csv', ...settings })),
  'harnesses.list': ({ harnesses }, settings) => harnesses.list(settings),
  'killSwitch.engage': ({ killSwitch }, settings) => killSwitch.engage('all', settings),
  'killSwitch.release': ({ killSwitch }, settings) => killSwitch.release('all', settings),
  'killSwitch.list': ({ killSwitch }, settings) => killSwitch.list(settings),
  'telemetry.preview': ({ telemetry }, settings) => telemetry.preview('a', settings),
  'telemetry.send': ({ telemetry }, settings) => telemetry.send({ dead: true }, settings),
  'telemetry.probe': ({ telemetry }, settings) => telemetry.probe(settings),
  'daemon.status': ({ daemon }, settings) => daemon.status(settings),
  'daemon.stop': ({ daemon }, settings) => daemon.stop(settings),
};

test('none is forgotten here', () => {
  const client = connect({ address: 'unix:/nowhere' });
  const methods = Object.entries(client).flatMap(([room, object]: [string, object]) => {
    const own = object instanceof Tasks ? Object.getOwnPropertyNames(Tasks.prototype) : Object.keys(object);
    return own.map((name) => `${room}.${name}`);
  });
  expect(Object.keys(calls).toSorted()).toEqual(methods.filter((name) => !/\.(constructor|run)$/.test(name)).toSorted());
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Answers no call before its caller has gone. */
const never = async (_: unknown, { signal }: HandlerContext): Promise<never> =>
  await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
async function* neither(request: unknown, context: HandlerContext): AsyncGenerator<never> {
  yield await never(request, context);
}
const silent: Script = {
  tasks: {
    createTask: never,
    getTask: never,
    listTasks: never,
    listModelCalls: never,
    cancelTask: never,
    terminateTask: never,
    unblockTask: never,
    rerunTask: never,
    watchTask: neither,
    readLogs: neither,
  },
  harnesses: { listHarnesses: never },
  control: { engageKillSwitch: never, releaseKillSwitch: never, listKillSwitches: never },
  telemetry: { previewTelemetry: never, sendTelemetry: never, probeTelemetry: never },
  completions: { listCompletions: never, exportCompletions: neither },
  daemon: { getStatus: never, stopDaemon: never },
};

describe('a daemon that never answers', () => {
  test('each call ends at its deadline, of which the daemon is told', async () => {
    await using daemon = await ScriptedDaemon.start(silent);
    const client = connect({ address: daemon.address });
    const begin = performance.now();
    const errors = Object.entries(calls).map(async ([name, call]) => {
      const error: unknown = await call(client, { timeoutMs: 150 }).catch((thrown: unknown) => thrown);
      expect(error, name).toBeInstanceOf(DeadlineError);
      expect(error, name).toMatchObject({ code: 'deadline_exceeded', reason: 'DEADLINE_EXCEEDED' });
      expect(performance.now() - begin, name).toBeGreaterThan(145);
    });
    await Promise.all(errors);
    // On a busy machine some may come to their end before they come to the daemon.
    expect(daemon.requests).not.toEqual([]);
    for (const headers of daemon.requests) expect(headers['connect-timeout-ms']).toMatch(/^\d+$/);
  });

  test('each call ends at its signal, and none begins after it', async () => {
    await using daemon = await ScriptedDaemon.start(silent);
    const client = connect({ address: daemon.address });
    const abort = new AbortController();
    const aborted = Object.entries(calls).map(async ([name, call]) => {
      await expect(call(client, { signal: abort.signal }), name).rejects.toThrow('enough');
    });
    await expect.poll(() => daemon.requests.length, { interval: 10 }).toBe(aborted.length);
    abort.abort(new Error('enough'));
    await Promise.all(aborted);
    for (const [name, call] of Object.entries(calls)) {
      await expect(call(client, { signal: abort.signal }), name).rejects.toThrow('enough');
    }
    expect(daemon.requests).toHaveLength(aborted.length);
  });
});

test('the time of a call holds for all its tries', async () => {
  let tries = 0;
  const cut = async (): Promise<never> => {
    tries += 1;
    daemon.cut();
    return await sleep(1_000, undefined as never, { ref: false });
  };
  await using daemon = await ScriptedDaemon.start({
    tasks: { cancelTask: cut, readLogs: cut as never, watchTask: cut as never },
    completions: { exportCompletions: cut as never },
  });
  const client = connect({ address: daemon.address });
  for (const call of ['tasks.cancel', 'tasks.logs', 'tasks.watch', 'completions.export']) {
    tries = 0;
    const begin = performance.now();
    await expect(calls[call]?.(client, { timeoutMs: 250 })).rejects.toThrow(DeadlineError);
    expect(performance.now() - begin, call).toBeLessThan(2_000);
    expect(tries, call).toBeGreaterThan(1);
  }
});

test('the time of a list holds for all its pages', async () => {
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      listTasks: async () => await sleep(50, { nextPageToken: 'next' }),
      listModelCalls: async () => await sleep(50, { nextPageToken: 'next' }),
    },
  });
  const client = connect({ address: daemon.address });
  await expect(calls['tasks.list']?.(client, { timeoutMs: 120 })).rejects.toThrow(DeadlineError);
  await expect(calls['tasks.modelCalls']?.(client, { timeoutMs: 120 })).rejects.toThrow(DeadlineError);
});

test('no time is left from the beginning, and more than the daemon takes is none', async () => {
  await using daemon = await ScriptedDaemon.start({ daemon: { getStatus: () => ({ pid: 7 }) } });
  const client = connect({ address: daemon.address });
  await expect(client.daemon.status({ timeoutMs: 0 })).rejects.toThrow(DeadlineError);
  expect(daemon.requests).toEqual([]);
  expect(await client.daemon.status({ timeoutMs: Number.MAX_SAFE_INTEGER })).toMatchObject({ pid: 7 });
});
