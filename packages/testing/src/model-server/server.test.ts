import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../until.ts';
import { startModelServer } from './server.ts';
import { seededUsage } from './usage.ts';
import type { ModelServer } from './server.ts';
import type { Step } from './script.ts';
import type { Usage } from './usage.ts';

const tool = { name: 'Bash', description: 'runs', input_schema: { type: 'object' } };

const paths = { anthropic: '/v1/messages?beta=true', responses: '/v1/responses', chat: '/v1/chat/completions' } as const;
type Protocol = keyof typeof paths;
const protocols = ['anthropic', 'responses', 'chat'] as const;

function ask(
  server: ModelServer,
  protocol: Protocol,
  prompt: string,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<Response> {
  const said =
    protocol === 'responses'
      ? { input: [{ role: 'user', content: [{ type: 'input_text', text: prompt }] }] }
      : { messages: [{ role: 'user', content: prompt }] };
  const tools = protocol === 'chat' ? [{ type: 'function', function: { name: 'Bash' } }] : [tool];
  const body = JSON.stringify({ model: 'scripted-1', stream: true, tools, ...said, ...extra });
  return fetch(server.url + paths[protocol], { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
}

function events(wire: string): unknown[] {
  const data = wire.split('\n').filter((line) => line.startsWith('data: {'));
  return data.map((line): unknown => JSON.parse(line.slice(6)));
}

const tokens = z.int().min(0);
/** What the providers document of their usage, read without the code under test, in disjoint kinds. */
const usageOnTheWire = {
  anthropic: z
    .strictObject({
      input_tokens: tokens,
      cache_read_input_tokens: tokens,
      cache_creation_input_tokens: tokens,
      cache_creation: z.strictObject({ ephemeral_5m_input_tokens: tokens, ephemeral_1h_input_tokens: tokens }),
      output_tokens: tokens,
      output_tokens_details: z.strictObject({ thinking_tokens: tokens }),
    })
    .refine(
      (u) => u.cache_creation_input_tokens === u.cache_creation.ephemeral_5m_input_tokens + u.cache_creation.ephemeral_1h_input_tokens,
    )
    .transform((u) => {
      const write1h = u.cache_creation.ephemeral_1h_input_tokens;
      const reasoning = u.output_tokens_details.thinking_tokens;
      const [read, write] = [u.cache_read_input_tokens, u.cache_creation_input_tokens];
      return { input: u.input_tokens, read, write, write1h, output: u.output_tokens - reasoning, reasoning };
    }),
  responses: z
    .strictObject({
      input_tokens: tokens,
      input_tokens_details: z.strictObject({ cached_tokens: tokens, cache_write_tokens: tokens }),
      output_tokens: tokens,
      output_tokens_details: z.strictObject({ reasoning_tokens: tokens }),
      total_tokens: tokens,
    })
    .refine((u) => u.total_tokens === u.input_tokens + u.output_tokens)
    .transform((u) => {
      const { cached_tokens: read, cache_write_tokens: write } = u.input_tokens_details;
      const reasoning = u.output_tokens_details.reasoning_tokens;
      return { input: u.input_tokens - read - write, read, write, write1h: 0, output: u.output_tokens - reasoning, reasoning };
    }),
  chat: z
    .strictObject({
      prompt_tokens: tokens,
      prompt_tokens_details: z.strictObject({ cached_tokens: tokens }),
      completion_tokens: tokens,
      completion_tokens_details: z.strictObject({ reasoning_tokens: tokens }),
      total_tokens: tokens,
    })
    .refine((u) => u.total_tokens === u.prompt_tokens + u.completion_tokens)
    .transform((u) => {
      const read = u.prompt_tokens_details.cached_tokens;
      const reasoning = u.completion_tokens_details.reasoning_tokens;
      return { input: u.prompt_tokens - read, read, write: 0, write1h: 0, output: u.completion_tokens - reasoning, reasoning };
    }),
};

/** The usage that a client of this protocol ends up with. */
function understood(protocol: Protocol, wire: string, stream: boolean): Record<string, number> {
  const messages: unknown[] = stream ? events(wire) : [JSON.parse(wire)];
  const last = messages.findLast((message) => JSON.stringify(message).includes('"usage":{'));
  const { usage, response } = z
    .looseObject({ usage: z.unknown().optional(), response: z.looseObject({ usage: z.unknown() }).optional() })
    .parse(last);
  return usageOnTheWire[protocol].parse(usage ?? response?.usage);
}

/** The text that an event adds, where it adds some. */
const addedText = z.union([
  z.object({ delta: z.object({ text: z.string() }) }).transform(({ delta }) => delta.text),
  z.object({ type: z.literal('response.output_text.delta'), delta: z.string() }).transform(({ delta }) => delta),
  z
    .object({ choices: z.tuple([z.object({ delta: z.object({ content: z.string() }) })]) })
    .transform(({ choices: [{ delta }] }) => delta.content),
  z.unknown().transform(() => ''),
]);

function kinds(usage: Usage | undefined): Record<string, number | undefined> {
  return {
    input: usage?.input_tokens,
    read: usage?.cache_read_input_tokens,
    write: usage?.cache_creation_input_tokens,
    write1h: usage?.cache_creation_1h_input_tokens ?? 0,
    output: usage?.output_tokens,
    reasoning: usage?.reasoning_output_tokens ?? 0,
  };
}

describe.each(protocols)('%s', (protocol) => {
  const usage = {
    input_tokens: 11,
    cache_read_input_tokens: 700,
    cache_creation_input_tokens: 50,
    cache_creation_1h_input_tokens: 20,
    output_tokens: 9,
    reasoning_output_tokens: 4,
  };

  test.each([true, false])('tells the usage that it logs (streamed: %s)', async (stream) => {
    await using server = await startModelServer([
      { thinking: 'hm', text: 'hello', tools: [{ name: 'Bash', input: { command: 'ls' } }], usage },
    ]);
    const wire = await (await ask(server, protocol, 'hi', { stream })).text();
    expect(understood(protocol, wire, stream)).toEqual(kinds(server.served[0]?.usage));
    expect(server.served).toMatchObject([{ step: 1, protocol, model: 'scripted-1', complete: true }]);
    const total = (u: Usage | undefined): number =>
      (u?.input_tokens ?? 0) + (u?.cache_read_input_tokens ?? 0) + (u?.cache_creation_input_tokens ?? 0);
    expect(total(server.served[0]?.usage)).toBe(761);
    for (const said of ['hm', 'hello', 'Bash', 'ls']) expect(wire).toContain(said);
  });

  test('takes the first step that fits, side requests apart', async () => {
    await using server = await startModelServer(
      [
        { match: 'never', text: 'A' },
        { match: /second/g, times: 2, text: 'B' },
        { match: ({ text }) => text.includes('by predicate'), text: 'C' },
        { notMatch: 'unwanted', text: 'D' },
      ],
      { side: { text: 'a title', usage: { input_tokens: 3, output_tokens: 2 } } },
    );
    for (const prompt of ['second', 'second', 'wanted', 'by predicate']) await (await ask(server, protocol, prompt)).text();
    expect(await (await ask(server, protocol, 'second', { tools: [] })).text()).toContain('a title');
    expect(server.requests.map(({ step, side, tools }) => [step, side, tools])).toEqual([
      [2, false, ['Bash']],
      [2, false, ['Bash']],
      [4, false, ['Bash']],
      [3, false, ['Bash']],
      ['side', true, []],
    ]);
    expect(server.served.at(-1)).toMatchObject({ step: 'side', usage: { input_tokens: 3, output_tokens: 2 } });
    const refused = await ask(server, protocol, 'unwanted');
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('no step of the script fits');
    expect(server.requests.at(-1)?.step).toBe('none');
    expect(server.served).toHaveLength(5);
  });

  test('fails as it is told, and logs no usage that it did not tell', async () => {
    const steps: Step[] = [
      { status: 429, headers: { 'retry-after': '7' } },
      { status: 500, errorBody: { mine: true } },
      { cut: 'before' },
      { cut: 'mid', text: 'half', usage },
      { cut: 'eof', text: 'half', usage },
      { sseError: { message: 'busy now' }, text: 'half', usage },
    ];
    await using server = await startModelServer(steps);
    const limited = await ask(server, protocol, 'x');
    expect([limited.status, limited.headers.get('retry-after'), await limited.json()]).toMatchObject([
      429,
      '7',
      { error: { message: 'scripted 429' } },
    ]);
    expect(await (await ask(server, protocol, 'x')).json()).toEqual({ mine: true });
    await expect(ask(server, protocol, 'x')).rejects.toThrow('fetch failed');
    const broken = await ask(server, protocol, 'x');
    await expect(broken.text()).rejects.toThrow('terminated');
    const ended = await (await ask(server, protocol, 'x')).text();
    const errored = await (await ask(server, protocol, 'x')).text();
    expect(errored).toContain('busy now');
    for (const text of [ended, errored]) {
      expect(text).toContain('half');
      expect(text).not.toMatch(/message_stop|response\.completed|DONE/);
    }
    // Anthropic tells the input side in its first event; the others tell nothing before their last.
    const told = { ...usage, output_tokens: 1, reasoning_output_tokens: 0 };
    expect(server.served.map(({ usage: u, complete }) => [kinds(u), complete])).toEqual(
      protocol === 'anthropic' ? steps.slice(3).map(() => [kinds(told), false]) : [],
    );
  });

  test('waits at a gate until it is opened', async () => {
    await using server = await startModelServer([{ hold: 'edit', text: 'after the gate' }]);
    let answered = false;
    const answer = ask(server, protocol, 'x').then((response) => ((answered = true), response.text()));
    await server.arrived('edit');
    expect([answered, server.requests.length, server.served.length]).toEqual([false, 1, 0]);
    server.release('edit');
    expect(await answer).toContain('after the gate');
    expect(() => server.release('exit')).toThrow('no step holds at "exit"; gates of this script: edit');
  });

  test('says 8 MB in pieces', async () => {
    await using server = await startModelServer([{ text: '0123456789🐎', repeat: 700_000 }]);
    const wire = await (await ask(server, protocol, 'x')).text();
    const pieces = events(wire).map((event) => addedText.parse(event));
    expect(pieces.join('') === '0123456789🐎'.repeat(700_000)).toBe(true);
    expect(pieces.length).toBeGreaterThan(100);
  });
});

test.each(['before', 'mid'] as const)('hangs %s until it is closed', async (hang) => {
  await using server = await startModelServer([{ hang, text: 'words' }]);
  const abort = new AbortController();
  const wire = fetchText(server, abort.signal);
  await until(() => server.requests.length === 1, { what: 'the request' });
  if (hang === 'mid') await until(() => wire.sofar().includes('words'), { what: 'the text before the silence' });
  else expect(wire.sofar()).toBe('');
  await server.close();
  await expect(wire.end).rejects.toThrow();
});

function fetchText(server: ModelServer, signal: AbortSignal): { sofar(): string; end: Promise<void> } {
  let text = '';
  const read = async (): Promise<void> => {
    const response = await fetch(server.url + paths.anthropic, {
      method: 'POST',
      signal,
      body: JSON.stringify({ stream: true, tools: [tool], messages: [] }),
    });
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  };
  const end = read();
  end.catch(() => {});
  return { sofar: () => text, end };
}

test('a client that goes away in the middle of a huge answer leaves the server whole', async () => {
  await using server = await startModelServer([{ text: 'x'.repeat(1000), repeat: 30_000 }, { text: 'next' }]);
  const abort = new AbortController();
  const wire = fetchText(server, abort.signal);
  await until(() => wire.sofar().length > 0, { what: 'the first bytes' });
  abort.abort();
  await expect(wire.end).rejects.toThrow('aborted');
  expect(await (await ask(server, 'chat', 'x')).text()).toContain('next');
  expect(server.served.map(({ step, complete }) => [step, complete])).toEqual([
    [1, false],
    [2, true],
  ]);
});

test('logs what was said to the model, decoded, and no secret', async () => {
  await using server = await startModelServer([{ text: 'ok', times: 'always' }], { apiKey: 'sk-the-key' });
  const prompt = '\uFEFF-$(id) "q"\r\n\u001b[1m/clear\u0000';
  const refused = await ask(server, 'anthropic', prompt, {}, { authorization: 'Bearer sk-other' });
  expect([refused.status, await refused.json()]).toMatchObject([401, { error: { type: 'authentication_error' } }]);
  await ask(server, 'anthropic', prompt, { system: [{ type: 'text', text: 'be kind' }] }, { 'x-api-key': 'sk-the-key' });
  await ask(server, 'responses', prompt, {}, { authorization: 'Bearer sk-the-key' });
  expect(server.requests.map(({ step }) => step)).toEqual(['none', 1, 1]);
  for (const { text } of server.requests) expect(text).toContain(prompt);
  expect(server.requests[1]?.text).toContain('be kind');
  expect(JSON.stringify(server.requests)).not.toContain('sk-');
});

test('answers what clients ask beside model calls', async () => {
  await using server = await startModelServer([]);
  const counted = await fetch(`${server.url}/v1/messages/count_tokens?beta=true`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(400) }] }),
  });
  expect(await counted.json()).toEqual({ input_tokens: 100 });
  expect(await (await fetch(`${server.url}/v1/models`)).json()).toEqual({ object: 'list', data: [], models: [] });
  expect((await fetch(`${server.url}/api/elsewhere`, { method: 'HEAD' })).status).toBe(404);
  const bad = await fetch(`${server.url}/v1/messages`, { method: 'POST', body: 'not json' });
  expect(bad.status).toBe(404);
  expect(server.requests.map(({ protocol }) => protocol)).toEqual(['count_tokens', 'other', 'other', 'other']);
});

test('what is served cannot be altered: neither by the script nor in the log', async () => {
  const usage = { input_tokens: 5, output_tokens: 6 };
  const steps = [{ text: 'one', usage }];
  await using server = await startModelServer(steps);
  usage.input_tokens = 999;
  const wire = await (await ask(server, 'anthropic', 'x')).text();
  expect(understood('anthropic', wire, true).input).toBe(5);
  expect(() => Object.assign(server.served[0]?.usage ?? {}, { input_tokens: 7 })).toThrow(TypeError);
});

test.each<[string, Step, RegExp]>([
  ['an unknown field', Object.assign({ text: '' }, { txet: '' }), /step 2 has an unknown field "txet"; known: thinking, text/],
  ['a figure below 0', { usage: { input_tokens: -1, output_tokens: 1 } }, /step 2: usage.input_tokens is -1/],
  ['an unknown kind', { usage: Object.assign({ input_tokens: 1, output_tokens: 1 }, { tokens: 1 }) }, /step 2: usage has no kind "tokens"/],
  ['more 1h writes than writes', { usage: { input_tokens: 1, output_tokens: 1, cache_creation_1h_input_tokens: 1 } }, /is a part of/],
  ['zero times', { times: 0 }, /step 2: times is 0/],
])('refuses a script with %s', async (_name, step, message) => {
  await expect(startModelServer([{ text: 'fine' }, step])).rejects.toThrow(message);
});

test('seeded usage: same seed, same figures; each kind above 0', () => {
  expect(seededUsage(7, 5, { reasoning: true })).toEqual(seededUsage(7, 5, { reasoning: true }));
  expect(seededUsage(7, 5)).not.toEqual(seededUsage(8, 5));
  for (let seed = 0; seed < 200; seed++) {
    for (const usage of seededUsage(seed, 8, { reasoning: true })) expect(Object.values(usage).every((tokens) => tokens > 0)).toBe(true);
  }
});
