import { setImmediate as turn } from 'node:timers/promises';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { Outcome, TaskType, type CompletionFilter } from '@singletree/protocol';
import type { CompletionPlace, Store, StoredCompletion } from '../../store/store.ts';
import type { CompletionEvent } from '../../task/completion.ts';
import type { Instant } from '../../task/task.ts';
import { opt } from '../to-proto/parts.ts';
import { wordOf } from '../words.ts';

/** Which completion events: plain data, so that a page token can name it. */
export interface Wanted {
  readonly since?: Instant;
  readonly until?: Instant;
  /** Empty for all, as the others. */
  readonly outcomes: readonly string[];
  readonly harnesses: readonly string[];
  readonly taskTypes: readonly string[];
}

export function wantedOf(filter: CompletionFilter | undefined): Wanted {
  const words = (all: readonly (string | undefined)[]): string[] => [...new Set(all.filter((word) => word !== undefined))].sort();
  return {
    ...opt('since', filter?.since, atOrAfter),
    ...opt('until', filter?.until, atOrAfter),
    outcomes: words((filter?.outcomes ?? []).map((value) => wordOf(Outcome, value))),
    harnesses: words(filter?.harnesses ?? []),
    taskTypes: words((filter?.taskTypes ?? []).map((value) => wordOf(TaskType, value))),
  };
}

/** The first whole millisecond, which is what events are told in. */
function atOrAfter({ seconds, nanos }: Timestamp): Instant {
  return Number(seconds) * 1_000 + Math.ceil(nanos / 1_000_000);
}

function isWanted({ outcome, harness, taskType }: CompletionEvent, { outcomes, harnesses, taskTypes }: Wanted): boolean {
  const isAmong = (all: readonly string[], one: string | undefined): boolean =>
    all.length === 0 || (one !== undefined && all.includes(one));
  return isAmong(outcomes, outcome) && isAmong(harnesses, harness) && isAmong(taskTypes, taskType);
}

export function placeOf({ completion: { completedAt, taskId } }: StoredCompletion): CompletionPlace {
  return { completedAt, taskId };
}

/**
 * Events in order, from the place on. Read in slices, looked through here: a filter that fits few of them makes no query that the daemon stands still for.
 * A slice may hold none; what it gives with each is the place to go on from.
 */
export async function* slices(
  store: Pick<Store, 'completions'>,
  { since, until, ...wanted }: Wanted,
  from: CompletionPlace | undefined,
  size: number,
): AsyncGenerator<{ readonly fit: readonly StoredCompletion[]; readonly read: CompletionPlace }, void, undefined> {
  for (let after = from; ;) {
    const found = await store.completions({ ...opt('since', since), ...opt('until', until), ...opt('after', after), limit: size });
    const last = found.at(-1);
    if (!last) return;
    after = placeOf(last);
    yield { fit: found.filter(({ completion }) => isWanted(completion, wanted)), read: after };
    if (found.length < size) return;
    // Reading never waits for anything by itself: others have their turn between two slices.
    await turn();
  }
}
