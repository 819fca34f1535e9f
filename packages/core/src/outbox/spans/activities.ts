import type { HarnessEvent } from '@singletree/harness';
import type { TaskEvent } from '../../task/events.ts';
import type { LedgerEntry } from '../../task/ledger.ts';
import type { Instant } from '../../task/task.ts';

/** Something that an agent did inside an attempt. */
interface Activity {
  readonly attempt: number;
  /** `main`, or the sub-agent by the harness's own id. */
  readonly thread: string;
  readonly from: Instant;
  readonly to: Instant;
}

export interface Tool extends Activity {
  readonly id: string;
  readonly name: string;
  /** Absent if it never ended. */
  readonly failed?: boolean;
}

export interface ModelCall extends Activity {
  readonly entry: LedgerEntry;
}

/**
 * The tools that were called, by what the harness told. A call that never ended ends with its attempt's last word; its result is not known.
 *
 * @param events those of tools, oldest first; their times are when they were recorded
 */
export function toolsOf(events: readonly TaskEvent[]): Tool[] {
  const open = new Map<string, Tool>();
  const done: Tool[] = [];
  for (const { at, body } of events) {
    if (body.kind !== 'harness') continue;
    // The store keeps a decoder's event as plain data; only decoders write them, in the words of the plugin contract.
    const event = body.event as HarnessEvent;
    const key = 'toolId' in event ? `${body.attempt} ${event.toolId}` : '';
    if (event.kind === 'tool.started') {
      const { tool: name, toolId: id, thread } = event;
      open.set(key, { attempt: body.attempt, thread: thread === 'main' ? thread : thread.subagent, id, name, from: at, to: at });
    }
    if (event.kind === 'tool.finished') {
      const started = open.get(key);
      if (started) done.push({ ...started, to: at, failed: event.failed });
      open.delete(key);
    }
  }
  return [...done, ...open.values()].toSorted((a, b) => a.from - b.from);
}

/**
 * The model calls of which the time is known. No CLI tells when one began: it is where the last thing of its thread ended before it, a tool or a
 * call, or its attempt's start.
 */
export function modelCallsOf(
  calls: readonly LedgerEntry[],
  tools: readonly Tool[],
  startOf: (attempt: number) => Instant | undefined,
): ModelCall[] {
  const ended = [
    ...tools.map(({ attempt, thread, to }) => ({ attempt, thread, to, entry: undefined })),
    ...calls.flatMap((entry) => {
      const { attempt, at: to, callId, subagent: thread = 'main' } = entry;
      return to === undefined || callId === undefined ? [] : [{ attempt, thread, to, entry }];
    }),
  ].toSorted((a, b) => a.to - b.to);
  const lastOf = new Map<string, Instant>();
  return ended.flatMap(({ attempt, thread, to, entry }) => {
    const key = `${attempt} ${thread}`;
    const from = Math.max(lastOf.get(key) ?? -Infinity, Math.min(startOf(attempt) ?? to, to));
    lastOf.set(key, to);
    return entry ? [{ attempt, thread, from, to, entry }] : [];
  });
}
