import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, createClient, createRouterTransport } from '@connectrpc/connect';
import { CompletionService, ExportFormat, Outcome, TaskType, type ListCompletionsRequestSchema } from '@singletree/protocol';
import { pino } from 'pino';
import { beforeEach, expect, test } from 'vitest';
import type { CompletionPlace, CompletionQuery, StoredCompletion, Store } from '../../store/store.ts';
import { completionOf, type CompletionEvent } from '../../task/completion.ts';
import { created, noon } from '../../task/samples.testsuite.ts';
import { edge } from '../edge.ts';
import { completionService } from './completion-service.ts';
import { csvHeader } from './csv.ts';

const idOf = (number: number): string => `0199c1d4-7f3a-7b11-a2c4-${number.toString(16).padStart(12, '0')}`;
const stored: StoredCompletion[] = [];
const queries: CompletionQuery[] = [];

const isAfter = (each: CompletionPlace, place: CompletionPlace): boolean =>
  each.completedAt > place.completedAt || (each.completedAt === place.completedAt && each.taskId > place.taskId);

/** In memory, in the order that the port promises. */
const store = {
  async completions(query: CompletionQuery) {
    queries.push(query);
    const { since = 0, until = Infinity, after, limit } = query;
    const order = (a: CompletionPlace, b: CompletionPlace): number => a.completedAt - b.completedAt || (a.taskId < b.taskId ? -1 : 1);
    return stored
      .filter(({ completion: each }) => each.completedAt >= since && each.completedAt < until && (!after || isAfter(each, after)))
      .toSorted((a, b) => order(a.completion, b.completion))
      .slice(0, limit);
  },
  completion: async (id: string) => stored.find(({ completion }) => completion.taskId === id)?.completion,
  task: async (id: string) => (id === idOf(999) ? { ...created(), id } : undefined),
} as unknown as Store;
const parts = { log: pino({ level: 'silent' }), shutdown: new AbortController().signal, slowReaderMs: 10_000 };
const transport = createRouterTransport((router) => router.service(CompletionService, completionService({ store })), {
  router: { interceptors: [edge(parts)] },
});
const client = createClient(CompletionService, transport);

function add(number: number, set: Partial<CompletionEvent> = {}, more: Partial<StoredCompletion> = {}): void {
  const completion = { ...completionOf({ ...created(), id: idOf(number), state: 'completed' }), completedAt: noon + number, ...set };
  stored.push({ completion, ...more });
}

beforeEach(() => {
  stored.splice(0);
  queries.splice(0);
});

async function listed(filter: object = {}, pageSize = 3): Promise<number[][]> {
  const pages: number[][] = [];
  for (let pageToken = ''; ;) {
    const page = await client.listCompletions({ filter, pageSize, pageToken });
    pages.push(page.completions.map(({ taskId }) => Number.parseInt(taskId.slice(-12), 16)));
    pageToken = page.nextPageToken;
    if (pageToken === '') return pages;
    if (pages.length === 1) add(900); // ends while the pages are read
  }
}

test('pages hold each event once, oldest first, and what ends meanwhile comes last', async () => {
  for (const number of [4, 2, 7, 1, 6, 3, 5]) add(number);
  expect((await listed()).flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 900]);
  expect(await listed({}, 100)).toEqual([[1, 2, 3, 4, 5, 6, 7, 900]]);
});

test('a page ends where the next one begins, also within one millisecond', async () => {
  for (const number of [3, 1, 2, 4]) add(number, { completedAt: noon });
  expect((await listed({}, 2)).flat().toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 900]);
});

test.each([
  ['one outcome', { outcomes: [Outcome.FAILURE] }, [2, 4]],
  ['two outcomes', { outcomes: [Outcome.FAILURE, Outcome.SUCCESS] }, [1, 2, 3, 4, 5]],
  ['a harness', { harnesses: ['codex'] }, [3]],
  ['type and outcome', { taskTypes: [TaskType.DEBUGGING], outcomes: [Outcome.SUCCESS] }, [5]],
  ['since', { since: timestampFromMs(noon + 3) }, [3, 4, 5]],
  ['since a fraction of a millisecond later', { since: { seconds: BigInt(noon / 1000), nanos: 2_000_001 } }, [3, 4, 5]],
  ['until', { until: timestampFromMs(noon + 3) }, [1, 2]],
  ['between', { since: timestampFromMs(noon + 2), until: timestampFromMs(noon + 4) }, [2, 3]],
])('%s', async (_, filter, numbers) => {
  add(1, { outcome: 'success' });
  add(2, { outcome: 'failure' });
  add(3, { outcome: 'success', harness: 'codex' });
  add(4, { outcome: 'failure', taskType: 'debugging' });
  add(5, { outcome: 'success', taskType: 'debugging' });
  expect((await client.listCompletions({ filter })).completions.map(({ taskId }) => taskId)).toEqual(numbers.map(idOf));
});

test('a filter that fits nothing makes a page that is empty and leads on, not a search through everything', async () => {
  for (let number = 1; number <= 10_100; number++) add(number);
  const filter = { outcomes: [Outcome.TIMEOUT] };
  const page = await client.listCompletions({ filter });
  expect(page.completions).toEqual([]);
  expect(queries.length).toBe(50);
  expect(await client.listCompletions({ filter, pageToken: page.nextPageToken })).toMatchObject({ completions: [], nextPageToken: '' });
});

test('a token leads on with the same filter alone', async () => {
  for (const number of [1, 2, 3]) add(number);
  const { nextPageToken: pageToken } = await client.listCompletions({ pageSize: 2 });
  await expect(client.listCompletions({ pageToken, filter: { harnesses: ['codex'] } })).rejects.toThrow(
    'page_token is not one that this list gave',
  );
  await expect(client.listCompletions({ pageToken: 'x' })).rejects.toThrow('page_token is not one that this list gave');
});

test('an event has the trace of its caller', async () => {
  add(1, {}, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` });
  add(2);
  const { completions } = await client.listCompletions({});
  expect(completions.map(({ traceId }) => traceId)).toEqual(['a'.repeat(32), idOf(2).replaceAll('-', '')]);
});

async function exported(format: ExportFormat, afterEventId = ''): Promise<{ text: string; last: string; pieces: number }> {
  const [text, last]: [string[], string[]] = [[], []];
  for await (const piece of client.exportCompletions({ format, afterEventId })) {
    text.push(Buffer.from(piece.data).toString());
    last.push(piece.lastEventId);
  }
  return { text: text.join(''), last: last.at(-1) ?? '', pieces: text.length };
}

test('an export of JSON has a line for each event, and goes on after any of them', async () => {
  for (let number = 1; number <= 450; number++) add(number, { summary: 'x'.repeat(1_000) });
  const { text, last, pieces } = await exported(ExportFormat.JSONL);
  const lines = text.trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id)).toEqual(
    stored.map(({ completion }) => completion.taskId),
  );
  expect(last).toBe(idOf(450));
  expect(pieces).toBeGreaterThan(5);
  expect((await exported(ExportFormat.JSONL, idOf(400))).text).toBe(`${lines.slice(400).join('\n')}\n`);
  expect(await exported(ExportFormat.JSONL, idOf(450))).toEqual({ text: '', last: '', pieces: 0 });
});

test('an export of a table begins with its header, once', async () => {
  expect(await exported(ExportFormat.CSV)).toEqual({ text: csvHeader, last: '', pieces: 1 });
  for (let number = 1; number <= 3; number++) add(number);
  const { text } = await exported(ExportFormat.CSV);
  expect(text.startsWith(csvHeader)).toBe(true);
  expect(text.split('\r\n')).toHaveLength(5);
  expect((await exported(ExportFormat.CSV, idOf(2))).text).toBe(`${text.split('\r\n')[3] ?? ''}\r\n`);
});

test('an export reads no further than its reader does', async () => {
  for (let number = 1; number <= 5_000; number++) add(number);
  const handler = completionService({ store }).exportCompletions;
  const signal = new AbortController().signal;
  const request = { $typeName: 'singletree.v1.ExportCompletionsRequest' as const, format: ExportFormat.JSONL, afterEventId: '' };
  const pieces = handler(request, { signal } as Parameters<typeof handler>[1])[Symbol.asyncIterator]();
  await pieces.next();
  expect(queries.length).toBe(1);
  await pieces.return?.();
});

const wrong: (readonly [string, MessageInitShape<typeof ListCompletionsRequestSchema>])[] = [
  ['a time that ends before it begins', { filter: { since: timestampFromMs(2), until: timestampFromMs(1) } }],
  ['no outcome as one', { filter: { outcomes: [Outcome.UNSPECIFIED] } }],
  ['a harness that can be none', { filter: { harnesses: ["'; --"] } }],
  ['a page that is too large', { pageSize: 1_001 }],
];
test.each(wrong)('%s is refused', async (_, request) => {
  await expect(client.listCompletions(request)).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test('an export says how', async () => {
  await expect(exported(ExportFormat.UNSPECIFIED)).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(exported(ExportFormat.CSV, 'x')).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test('others have their turn while an export looks for what fits', async () => {
  for (let number = 1; number <= 2_000; number++) add(number);
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  const none = client.exportCompletions({ format: ExportFormat.JSONL, filter: { outcomes: [Outcome.TIMEOUT] } });
  for await (const _ of none) throw new Error('nothing fits');
  clearImmediate(next);
  expect(turns).toBeGreaterThanOrEqual(9);
});

test('an id that no event has is refused', async () => {
  await expect(exported(ExportFormat.JSONL, idOf(5))).rejects.toThrow('there is no completion event');
  await expect(exported(ExportFormat.JSONL, idOf(999))).rejects.toThrow('has no completion event to go on from');
});
