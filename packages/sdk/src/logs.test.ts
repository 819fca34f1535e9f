import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { ProcessRole, type ReadLogsRequest } from '@singletree/protocol';
import { expect, test } from 'vitest';
import { refusal, ScriptedDaemon } from '../test/scripted-daemon.ts';
import { connect } from './client.ts';
import type { LogOptions } from './logs.ts';
import type { LogChunk } from './types.ts';
import { toJson } from './write.ts';

const bytes = (text: string) => Buffer.from(text);

/** Two processes: one wrote to both outputs, and a gate that ran twice. */
const logs = [
  { attempt: 1, role: ProcessRole.HARNESS, source: 'stdout', offset: 0n, data: bytes('one '), run: 1 },
  { attempt: 1, role: ProcessRole.HARNESS, source: 'stderr', offset: 0n, data: bytes('oops'), run: 1 },
  { attempt: 1, role: ProcessRole.HARNESS, source: 'stdout', offset: 4n, data: bytes('two '), run: 1 },
  { attempt: 1, role: ProcessRole.GATE, name: 'test', source: 'stdout', offset: 0n, data: bytes('red '), run: 1 },
  { attempt: 1, role: ProcessRole.GATE, name: 'test', source: 'stdout', offset: 0n, data: bytes('green'), run: 2 },
];

/** What was given of each log. */
async function read(daemon: ScriptedDaemon, options: LogOptions = {}): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const { role, run, source, data } of connect({ address: daemon.address }).tasks.logs('task', options)) {
    const log = `${role} ${run} ${source}`;
    texts[log] = (texts[log] ?? '') + Buffer.from(data).toString();
  }
  return texts;
}

const whole = { 'harness 1 stdout': 'one two ', 'harness 1 stderr': 'oops', 'gate 1 stdout': 'red ', 'gate 2 stdout': 'green' };

test('asks for what was wanted, and gives the bytes with where they come from', async () => {
  const asked: ReadLogsRequest[] = [];
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *readLogs(request) {
        asked.push(request);
        yield { ...logs[2]!, at: timestampFromMs(1_500) };
      },
    },
  });
  const options: LogOptions = { attempt: 2, roles: ['gate', 'setup'], gate: 'test', follow: true };
  const chunks: LogChunk[] = [];
  for await (const chunk of connect({ address: daemon.address }).tasks.logs('task', options)) chunks.push(chunk);
  expect(asked).toMatchObject([{ taskId: 'task', attempt: 2, roles: [ProcessRole.GATE, ProcessRole.SETUP], gate: 'test', follow: true }]);
  expect(chunks).toMatchObject([{ attempt: 1, role: 'harness', name: '', source: 'stdout', offset: 4, run: 1, at: new Date(1_500) }]);
  expect(Buffer.from(chunks[0]!.data).toString()).toBe('two ');
  expect(toJson(chunks[0]!)).toMatchObject({ data: bytes('two ').toString('base64'), offset: 4 });
});

test.each(logs.map((_, index) => index))('a stream that is cut after %d pieces: no byte is missing or comes twice', async (pieces) => {
  let calls = 0;
  const daemon: ScriptedDaemon = await ScriptedDaemon.start({
    tasks: {
      async *readLogs() {
        calls += 1;
        if (calls > 1) return yield* together();
        yield* logs.slice(0, pieces);
        // What was yielded is only sent once the event loop turns.
        await sleep(5);
        daemon.cut();
      },
    },
  });
  await using _ = daemon;
  expect(await read(daemon, { follow: true })).toEqual(whole);
  expect(calls).toBe(2);
});

/** As a daemon gives them that finds more at once. */
function* together() {
  const [one, oops, two, ...gates] = logs;
  yield { ...one!, data: Buffer.concat([one!.data, two!.data.subarray(0, 2)]) };
  yield oops!;
  yield { ...two!, offset: 6n, data: two!.data.subarray(2) };
  yield* gates;
}

test('a refusal is told; silence is none', async () => {
  const refuse = async (): Promise<never> => {
    await sleep(50);
    throw refusal(Code.NotFound, 'LOG_NOT_FOUND', 'the logs of attempt 1 are no longer kept');
  };
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      readLogs: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    },
  });
  await expect(read(daemon)).rejects.toMatchObject({ reason: 'LOG_NOT_FOUND' });
});

test('leaving is the signal’s, also while nothing comes', async () => {
  await using daemon = await ScriptedDaemon.start({
    tasks: {
      async *readLogs(_, { signal }) {
        yield logs[0]!;
        await sleep(60_000, undefined, { signal, ref: false }).catch(() => {});
      },
    },
  });
  const leaving = new AbortController();
  setTimeout(() => leaving.abort(new Error('enough')), 30);
  await expect(read(daemon, { follow: true, signal: leaving.signal })).rejects.toThrow('enough');
});
