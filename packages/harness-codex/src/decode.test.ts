import { expect, test } from 'vitest';
import { createDecoder } from './decode.ts';

const decode = (...items: object[]) =>
  createDecoder('stdout', undefined).push(
    Buffer.from(items.map((item) => `${JSON.stringify({ type: 'item.completed', item: { status: 'completed', ...item } })}\n`).join('')),
  );

test('calls are told apart by all that they were given, where the CLI tells it', () => {
  const events = decode(
    { id: '1', type: 'command_execution', command: 'cat a\ncat b', exit_code: 0, aggregated_output: 'x' },
    { id: '2', type: 'command_execution', command: 'cat a\ncat c', exit_code: 0, aggregated_output: 'x' },
    { id: '3', type: 'mcp_tool_call', server: 's', tool: 't', arguments: { a: 1 }, result: { b: 2 } },
    { id: '4', type: 'file_change', changes: [{ path: 'a', kind: 'update' }] },
    { id: '5', type: 'collab_tool_call', tool: 'wait', agents_states: {} },
    { id: '6', type: 'web_search', query: 'q' },
  );
  const started = events.flatMap((event) => (event.kind === 'tool.started' ? [event] : []));
  const outputs = events.flatMap((event) => (event.kind === 'tool.finished' ? [event.outputDigest] : []));
  expect(started.map(({ tool, summary }) => [tool, summary])).toEqual([
    ['shell', 'cat a'],
    ['shell', 'cat a'],
    ['s.t', undefined],
    ['apply_patch', undefined],
    ['collab.wait', undefined],
    ['web_search', 'q'],
  ]);
  expect(started[0]?.inputDigest).not.toBe(started[1]?.inputDigest);
  expect(started.map(({ inputDigest }) => inputDigest !== undefined)).toEqual([true, true, true, false, false, true]);
  expect(outputs[0]).toBe(outputs[1]);
  expect(outputs.map((output) => output !== undefined)).toEqual([true, true, true, false, false, false]);
});
