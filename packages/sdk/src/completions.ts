import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  type CompletionFilterSchema,
  CompletionService,
  ExportCompletionsResponseSchema,
  ExportFormat,
  Outcome,
  TaskCompletionEventSchema,
  TaskType,
} from '@singletree/protocol';
import { Bounds, type CallSettings } from './deadline.ts';
import type { Link } from './link.ts';
import { Retry } from './retry.ts';
import type * as words from './types.ts';
import { fromWord } from './words.ts';
import { toPlain } from './write.ts';

/** Which completion events. Each field that is given makes it fewer. */
export interface CompletionFilter {
  /** Only of tasks that ended then or later. */
  readonly since?: Date | undefined;
  /** Only of tasks that ended before then. */
  readonly until?: Date | undefined;
  /** Only with one of these outcomes. */
  readonly outcomes?: readonly words.Outcome[] | undefined;
  /** Only where one of these harnesses ran the last attempt. */
  readonly harnesses?: readonly string[] | undefined;
  /** Only with one of these types; a task without a type has none of them. */
  readonly taskTypes?: readonly words.TaskType[] | undefined;
}

export interface ListCompletions extends CompletionFilter, CallSettings {
  /** Most events that are asked for at once, 1 to 1000. */
  readonly pageSize?: number | undefined;
}

export interface ExportCompletions extends CompletionFilter, CallSettings {
  /** `jsonl`: an object on each line, as the command line prints it with `--json`. `csv`: a table by RFC 4180, what is absent empty. */
  readonly format: 'jsonl' | 'csv';
  /** Id of the last event that is known already: only those after it, without the header of a table. */
  readonly afterEventId?: string | undefined;
  /** How long to wait for a daemon that goes away meanwhile. Milliseconds; one minute if absent. */
  readonly reconnectForMs?: number | undefined;
}

/** The records of finished tasks, in the order in which they ended. */
export interface Completions {
  /** All of them, oldest first. Asks page by page. */
  list(settings?: ListCompletions): AsyncGenerator<words.TaskCompletionEvent, void, undefined>;
  /**
   * The same as a file, in pieces to be joined as they are; each holds whole events, and names the last one in it. A stream that is cut is taken up
   * again behind that one.
   */
  export(settings: ExportCompletions): AsyncGenerator<words.ExportPiece, void, undefined>;
}

export function completions(link: Link): Completions {
  return { list: (settings = {}) => list(link, settings), export: (settings) => exported(link, settings) };
}

async function* list(link: Link, settings: ListCompletions): AsyncGenerator<words.TaskCompletionEvent, void, undefined> {
  const bounds = new Bounds(settings);
  const filter = filterOf(settings);
  for (let pageToken = ''; ;) {
    const request = { filter, pageSize: settings.pageSize ?? 0, pageToken };
    const page = await link.call(CompletionService, (client, options) => client.listCompletions(request, options), bounds);
    for (const event of page.completions) yield toPlain(TaskCompletionEventSchema, event);
    pageToken = page.nextPageToken;
    if (pageToken === '') return;
  }
}

async function* exported(link: Link, settings: ExportCompletions): AsyncGenerator<words.ExportPiece, void, undefined> {
  const bounds = new Bounds(settings);
  const request = { format: fromWord('format', ExportFormat, settings.format), filter: filterOf(settings) };
  const retry = new Retry(settings.reconnectForMs ?? 60_000);
  for (let afterEventId = settings.afterEventId ?? ''; ;) {
    try {
      const open = { ...request, afterEventId };
      for await (const piece of link.stream(CompletionService, (client, call) => client.exportCompletions(open, call), { bounds })) {
        retry.succeeded();
        afterEventId = piece.lastEventId;
        yield toPlain(ExportCompletionsResponseSchema, piece);
      }
      return;
    } catch (error) {
      if (!link.mayComeBack(error) || !(await retry.wait(bounds))) throw error;
    }
  }
}

function filterOf({
  since,
  until,
  outcomes = [],
  harnesses = [],
  taskTypes = [],
}: CompletionFilter): MessageInitShape<typeof CompletionFilterSchema> {
  return {
    ...(since === undefined ? {} : { since: timestampFromDate(since) }),
    ...(until === undefined ? {} : { until: timestampFromDate(until) }),
    outcomes: outcomes.map((word) => fromWord('outcome', Outcome, word)),
    harnesses: [...harnesses],
    taskTypes: taskTypes.map((word) => fromWord('task type', TaskType, word)),
  };
}
