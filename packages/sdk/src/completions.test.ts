import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { ExportFormat, Outcome, TaskType, type ExportCompletionsRequest, type ListCompletionsRequest } from '@singletree/protocol';
import { expect, test } from 'vitest';
import { refusal, ScriptedDaemon } from '../test/scripted-daemon.ts';
import { connect } from './client.ts';
import { toJson } from './write.ts';

test('the list asks page by page for what was wanted', async () => {
  const asked: ListCompletionsRequest[] = [];
  await using daemon = await ScriptedDaemon.start({
    completions: {
      listCompletions(request) {
        asked.push(request);
        const eventId = request.pageToken === '' ? 'a' : 'b';
        return {
          completions: [{ eventId, outcome: Outcome.SUCCESS, taskDurationMs: 7n }],
          nextPageToken: request.pageToken === '' ? 'next' : '',
        };
      },
    },
  });
  const wanted = {
    since: new Date(1_500),
    until: new Date(2_500),
    outcomes: ['success', 'timeout'],
    harnesses: ['codex'],
    taskTypes: ['testing'],
  } as const;
  const events: object[] = [];
  for await (const event of connect({ address: daemon.address }).completions.list({ ...wanted, pageSize: 9 })) events.push(toJson(event));
  expect(events).toMatchObject([{ event_id: 'a', outcome: 'success', task_duration_ms: 7 }, { event_id: 'b' }]);
  const filter = {
    since: timestampFromMs(1_500),
    until: timestampFromMs(2_500),
    outcomes: [Outcome.SUCCESS, Outcome.TIMEOUT],
    harnesses: ['codex'],
    taskTypes: [TaskType.TESTING],
  };
  expect(asked).toMatchObject([
    { filter, pageSize: 9, pageToken: '' },
    { filter, pageSize: 9, pageToken: 'next' },
  ]);
});

test('an export that is cut goes on after the last event that came, and nothing comes twice', async () => {
  const asked: ExportCompletionsRequest[] = [];
  const daemon: ScriptedDaemon = await ScriptedDaemon.start({
    completions: {
      async *exportCompletions(request) {
        asked.push(request);
        const place = 'abcd'.indexOf(request.afterEventId || ' ') + 1;
        for (const id of 'abcd'.slice(place)) {
          yield { data: Buffer.from(`${id}\n`), lastEventId: id };
          if (asked.length === 1 && id === 'a') throw refusal(Code.Unavailable, 'SHUTTING_DOWN', 'the daemon is stopping');
          if (asked.length === 2 && id === 'c') daemon.cut();
        }
      },
    },
  });
  await using _ = daemon;
  let text = '';
  for await (const { data } of connect({ address: daemon.address }).completions.export({ format: 'csv' }))
    text += Buffer.from(data).toString();
  expect(text).toBe('a\nb\nc\nd\n');
  // What was on its way when the connection broke may be lost, and is asked for again.
  expect(asked.map(({ afterEventId }) => afterEventId)).toEqual(['', 'a', expect.stringMatching(/^[abc]$/)]);
  expect(asked.every(({ format }) => format === ExportFormat.CSV)).toBe(true);
});

test('a format or an outcome that there is not is refused before anything is asked', async () => {
  const { completions } = connect({ address: 'unix:/nowhere' });
  await expect(completions.export({ format: 'xml' as 'csv' }).next()).rejects.toThrow('unknown format "xml": it must be one of jsonl, csv');
  await expect(completions.list({ outcomes: ['good' as 'success'] }).next()).rejects.toThrow('unknown outcome "good"');
});
