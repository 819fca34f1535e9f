import { TaskState } from '@singletree/protocol';
import { matrixCases, type MatrixCase } from '../cases.ts';
import type { MatrixTarget } from '../daemon.ts';
import type { MatrixClient, Refused } from './client.ts';

type Making = (client: MatrixClient, target: MatrixTarget) => Promise<void>;

/** Each case, made with a client. Throws what was seen instead. */
export const making: Readonly<Record<MatrixCase, Making>> = {
  async unary(client, target) {
    const { task } = await client.getTask(target.finished_task);
    equal(task?.id, target.finished_task, 'the id');
    equal(task?.state, TaskState.COMPLETED, 'the state');
  },

  async stream(client, { finished_task: taskId, last_sequence: last }) {
    const seen: number[] = [];
    const abort = new AbortController();
    const first = client.watchTask({ taskId }, { signal: abort.signal });
    const isDone = await untilCut(first, async ({ events }) => {
      // The past may come in one message: what is cut is what a client has not looked at.
      for (const { sequence } of events.slice(0, matrixCases.stream.resumeAfter - seen.length)) seen.push(Number(sequence));
      if (seen.length === matrixCases.stream.resumeAfter) abort.abort();
    });
    equal(isDone || seen.length === matrixCases.stream.resumeAfter, true, 'enough events before the cut');
    let end: string | undefined;
    for await (const { events } of client.watchTask({ taskId, afterSequence: BigInt(seen.at(-1) ?? 0) })) {
      seen.push(...events.map(({ sequence }) => Number(sequence)));
      end = events.at(-1)?.kind.case ?? end;
    }
    equal(seen.join(), Array.from({ length: last }, (_, index) => index + 1).join(), 'the sequences');
    equal(end, 'completed', 'the last event');
  },

  async error(client, { workspace }) {
    const { instructions, code, reason, domain, metadata } = matrixCases.error;
    const refused = await refusalOf(client, client.createTask({ instructions, workspace: { path: workspace } }));
    equal(refused.code, code, 'the code');
    equal(refused.infos.length, 1, 'the number of ErrorInfos');
    const [info] = refused.infos;
    equal(`${info?.domain}/${info?.reason}`, `${domain}/${reason}`, 'domain and reason');
    equal(info?.metadata['field'], metadata.field, 'the field');
  },

  async deadline(client, { running_task: taskId }) {
    const { timeoutMs, atMostMs, code } = matrixCases.deadline;
    const begin = performance.now();
    const refused = await refusalOf(client, drained(client.watchTask({ taskId }, { timeoutMs })));
    const ms = performance.now() - begin;
    equal(refused.code, code, 'the code');
    // Timers may be early by a part of a millisecond.
    equal(ms > timeoutMs - 5 && ms < atMostMs, true, `an end after ${Math.round(ms)} ms, in time`);
  },

  async cancel(client, target) {
    const abort = new AbortController();
    const watch = async (): Promise<void> => {
      for await (const _ of client.watchTask({ taskId: target.running_task }, { signal: abort.signal })) abort.abort();
    };
    equal((await refusalOf(client, watch())).code, matrixCases.cancel.code, 'the code');
    await making.unary(client, target);
  },

  async oversize(client, target) {
    const instructions = 'x'.repeat(matrixCases.oversize.instructionsBytes);
    const refused = await refusalOf(client, client.createTask({ instructions, workspace: { path: target.workspace } }));
    equal(refused.code, matrixCases.oversize.code, 'the code');
    await making.unary(client, target);
  },
};

function equal(seen: unknown, expected: unknown, what: string): void {
  if (seen !== expected) throw new Error(`${what}: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`);
}

async function refusalOf(client: MatrixClient, call: Promise<unknown>): Promise<Refused> {
  try {
    await call;
  } catch (error) {
    return client.refused(error);
  }
  throw new Error('it was not refused');
}

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** Whether a stream came to its end, and was not cut by whoever reads it. */
async function untilCut<T>(stream: AsyncIterable<T>, take: (message: T) => Promise<void>): Promise<boolean> {
  try {
    for await (const message of stream) await take(message);
    return true;
  } catch {
    return false;
  }
}
