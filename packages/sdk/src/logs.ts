import { ProcessRole, ReadLogsResponseSchema, TaskService, type ReadLogsResponse } from '@singletree/protocol';
import { Bounds, type CallSettings } from './deadline.ts';
import type { Link } from './link.ts';
import { Retry } from './retry.ts';
import type * as words from './types.ts';
import { fromWord } from './words.ts';
import { toPlain } from './write.ts';

export interface LogOptions extends CallSettings {
  /** Only those of this attempt; of all if absent. */
  readonly attempt?: number | undefined;
  /** Only processes of these roles; all if absent or empty. */
  readonly roles?: readonly words.ProcessRole[] | undefined;
  /** Only the gate of this name. */
  readonly gate?: string | undefined;
  /** Whether to go on with what will be written, until the task is final. */
  readonly follow?: boolean | undefined;
  /** How long to wait for a daemon that goes away meanwhile. Milliseconds; one minute if absent. */
  readonly reconnectForMs?: number | undefined;
}

/** What the processes of a task wrote, each byte of a log once and in order. A stream that is cut is taken up again behind what was seen. */
export async function* logs(link: Link, taskId: string, options: LogOptions): AsyncGenerator<words.LogChunk, void, undefined> {
  const { attempt, roles = [], gate = '', follow = false, reconnectForMs = 60_000 } = options;
  const bounds = new Bounds(options);
  const request = { taskId, attempt, roles: roles.map((role) => fromWord('role', ProcessRole, role)), gate, follow };
  const retry = new Retry(reconnectForMs);
  const seen = new Map<string, number>();
  for (;;) {
    try {
      for await (const message of link.stream(TaskService, (client, call) => client.readLogs(request, call), { bounds })) {
        retry.succeeded();
        const rest = unseen(message, seen);
        if (rest) yield toPlain(ReadLogsResponseSchema, rest);
      }
      return;
    } catch (error) {
      if (!link.mayComeBack(error) || !(await retry.wait(bounds))) throw error;
    }
  }
}

/** What of a piece was not given before; the logs come from their beginning again after a cut. */
function unseen(message: ReadLogsResponse, seen: Map<string, number>): ReadLogsResponse | undefined {
  const { attempt, role, name, run, source, offset, data } = message;
  const log = JSON.stringify([attempt, role, name, run, source]);
  const known = Math.max(0, (seen.get(log) ?? 0) - Number(offset));
  if (known > 0 && known >= data.length) return undefined;
  seen.set(log, Number(offset) + data.length);
  return known === 0 ? message : { ...message, offset: offset + BigInt(known), data: data.subarray(known) };
}
