import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiKeyVariable } from './agent.ts';
import type { Agent, FakeUsage } from './agent.ts';
import { startChild, type Child } from './children.ts';
import { hash, shell, tool } from './tool.ts';

/**
 * All that a script can let the agent do. A step is an object with one key, the name of its row, and the row's argument as value:
 * `{ "say": "done" }`. A new step is one row here. Paths are relative to the agent's working directory.
 */
const simpleSteps = {
  say: (agent: Agent, text: string): void => agent.emit({ type: 'text', text }),

  /**
   * A model call. `told: false` keeps it off the output, as if the agent had died before it could say it: only the session file knows.
   * `usage: "missing"`: nobody knows what it used.
   */
  call(agent: Agent, call: FakeUsage & { model?: string; thread?: string; costUsd?: number; told?: boolean; usage?: 'missing' }): void {
    const { model, thread, costUsd, told = true, usage: missing, ...usage } = call;
    const known = { ...(missing ? {} : { usage }), ...(costUsd !== undefined && { costUsd }) };
    agent.call({ told, ...known, ...(model && { model }), ...(thread && { thread }) });
  },

  write: (agent: Agent, { path, content }: { path: string; content: string }): Promise<void> =>
    tool(agent, { name: 'Write', summary: path, needs: 'edits', input: { path, content } }, () => {
      const change = existsSync(path) ? 'modified' : 'added';
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      agent.emit({ type: 'file', path, change });
    }),

  edit: (agent: Agent, { path, from, to }: { path: string; from: string; to: string }): Promise<void> =>
    tool(agent, { name: 'Edit', summary: path, needs: 'edits', input: { path, from, to } }, () => {
      const before = readFileSync(path, 'utf8');
      if (!before.includes(from)) throw new Error(`${path} does not hold ${JSON.stringify(from)}`);
      writeFileSync(
        path,
        before.replace(from, () => to),
      );
      agent.emit({ type: 'file', path, change: 'modified' });
    }),

  delete: (agent: Agent, path: string): Promise<void> =>
    tool(agent, { name: 'Delete', summary: path, needs: 'edits' }, () => {
      rmSync(path, { recursive: true });
      agent.emit({ type: 'file', path, change: 'deleted' });
    }),

  /** A shell command. It runs in a session and process group of its own, as the tool shells of real agents do. */
  run: (agent: Agent, command: string): Promise<void> =>
    tool(agent, { name: 'Bash', summary: command, needs: 'all' }, async () => {
      const { code, output } = await shell(command);
      if (code !== 0) throw new Error(`exit ${code}\n${output}`);
      return output;
    }),

  /** A tool call in words only: nothing is done. `input` is what it is given where the summary is not all; `open`: no result of it is told. */
  tool(
    agent: Agent,
    call: { name: string; summary?: string; input?: unknown; output?: string; failed?: boolean; thread?: string; open?: boolean },
  ): void {
    const { name, summary = '', input = summary, output = '', failed = false, open = false } = call;
    const told = { id: agent.nextToolId(), tool: name, ...(call.thread && { thread: call.thread }) };
    agent.emit({ type: 'tool_started', ...told, summary, input: hash(input) });
    if (!open) agent.emit({ type: 'tool_finished', ...told, failed, output });
  },

  retry: (agent: Agent, retry: { reason: string; status?: number; delayMs?: number }): void => agent.emit({ type: 'retry', ...retry }),
  rateLimit: (agent: Agent, limit: { resetsAtMs?: number; message?: string }): void => agent.emit({ type: 'rate_limit', ...limit }),
  permissionDenied: (agent: Agent, denied: { tool: string; message: string }): void => agent.emit({ type: 'permission_denied', ...denied }),
  compaction: (agent: Agent, tokens: { before?: number; after?: number }): void => agent.emit({ type: 'compaction', ...tokens }),
  subagentStarted: (agent: Agent, subagent: { id: string; name?: string }): void => agent.emit({ type: 'subagent_started', ...subagent }),
  subagentEnded: (agent: Agent, subagent: { id: string }): void => agent.emit({ type: 'subagent_ended', ...subagent }),

  /**
   * The agent's last word; more than one is possible. A script that says none ends with success. `reason`: one that a CLI can tell, such as
   * `rate_limited`; `pending`: how much goes on in the background that may wake the agent again.
   */
  result: (
    agent: Agent,
    result: 'success' | 'failed' | { failed?: boolean; interrupted?: boolean; message?: string; reason?: string; pending?: number },
  ): void => {
    const { failed = false, ...more } = typeof result === 'string' ? { failed: result === 'failed' } : result;
    agent.emit({ type: 'result', isError: failed || more.interrupted === true, ...more });
  },

  sleep: (_agent: Agent, milliseconds: number): Promise<void> => sleep(milliseconds),

  /** Waits until a file is there: where a test and the agent meet. */
  async waitFor(_agent: Agent, path: string): Promise<void> {
    while (!existsSync(path)) await sleep(5);
  },

  /** Appends a line with the agent's pid to a file: proof that this point was reached, how often, and by whom. */
  mark: (_agent: Agent, path: string): void => appendFileSync(path, `${process.pid}\n`),

  /** What the agent was given, as JSON: arguments, prompt, working directory, names of the environment's variables; of the key only its length and SHA-256. */
  report(agent: Agent, path: string): void {
    const key = process.env[apiKeyVariable];
    const apiKey =
      key === undefined ? undefined : { bytes: Buffer.byteLength(key), sha256: createHash('sha256').update(key).digest('hex') };
    writeFileSync(
      path,
      JSON.stringify({ argv: agent.argv, stdin: agent.prompt, cwd: process.cwd(), environment: Object.keys(process.env), apiKey }),
    );
  },

  spawn: (_agent: Agent, child: Child): void => startChild(child),

  ignoreSignals: (_agent: Agent, signals: readonly NodeJS.Signals[]): void => signals.forEach((signal) => process.on(signal, () => {})),

  /** A line exactly as it is here, on standard output. */
  raw: (agent: Agent, line: string): void => agent.print('stdout', `${line}\n`),

  /** The beginning of a line, with nothing to end it. */
  unfinished: (agent: Agent, text: string): void => agent.print('stdout', text),

  /** Bytes on standard output as hexadecimal digits, spaces allowed: what is no UTF-8 for example. */
  hex: (agent: Agent, digits: string): void => agent.print('stdout', Buffer.from(digits.replaceAll(' ', ''), 'hex')),

  /** So many bytes on standard output, in lines of 64 that mean nothing. */
  bytes(agent: Agent, count: number): void {
    const block = `${'x'.repeat(63)}\n`.repeat(1024);
    for (let left = count; left > 0; left -= block.length) agent.print('stdout', block.slice(0, left));
  },

  /** One text of so many characters, in one line. */
  hugeLine: (agent: Agent, length: number): void => agent.emit({ type: 'text', text: 'y'.repeat(length) }),

  /** Takes so much memory, at most 4096 MiB, and holds it for `seconds` (60). */
  async memory(_agent: Agent, { mebibytes, seconds = 60 }: { mebibytes: number; seconds?: number }): Promise<void> {
    const pieces = Array.from({ length: Math.min(mebibytes, 4096) }, () => Buffer.alloc(1024 * 1024, 1));
    await sleep(seconds * 1000);
    pieces.length = 0;
  },

  stderr: (agent: Agent, text: string): void => agent.print('stderr', text),

  /** Ends at once, without a result unless one was said. */
  exit: (_agent: Agent, code: number): never => process.exit(code),

  kill: async (_agent: Agent, signal: NodeJS.Signals): Promise<void> => {
    process.kill(process.pid, signal);
    await forever();
  },

  hang: (_agent: Agent, _: true): Promise<void> => forever(),

  /** As the first step: nothing is written, not even the session, before a later step writes. */
  silent: (_agent: Agent, _: true): void => undefined,
};

/** Steps that hold steps. Apart from the table, because a table cannot be typed by itself. */
interface NestingSteps {
  /** `always` ends only with the agent. */
  repeat: { readonly times: number | 'always'; readonly steps: readonly FakeStep[] };
  /** What a signal starts instead of ending the agent, beside whatever it does at that moment. */
  onSignal: { readonly signal: NodeJS.Signals; readonly steps: readonly FakeStep[] };
}

const nestingSteps: { readonly [Name in keyof NestingSteps]: (agent: Agent, argument: NestingSteps[Name]) => unknown } = {
  async repeat(agent, { times, steps: inner }) {
    for (let time = 0; times === 'always' || time < times; time++) await agent.perform(inner);
  },
  onSignal: (agent, { signal, steps: then }) => process.on(signal, () => void agent.perform(then)),
};

type SimpleSteps = { readonly [Name in keyof typeof simpleSteps]: Parameters<(typeof simpleSteps)[Name]>[1] };
type AllSteps = SimpleSteps & NestingSteps;

export type FakeStep = { readonly [Name in keyof AllSteps]: { readonly [Only in Name]: AllSteps[Name] } }[keyof AllSteps];

const table: ReadonlyMap<string, unknown> = new Map(Object.entries({ ...simpleSteps, ...nestingSteps }));

/** Whether this is a step of the table; its argument is not looked at. */
export function isStep(value: unknown): value is FakeStep {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 1 && table.has(Object.keys(value)[0] ?? '');
}

/** Whether the session's line is held back. */
export function isSilentStart([first]: readonly FakeStep[]): boolean {
  return first !== undefined && 'silent' in first;
}

export const stepNames: readonly string[] = [...table.keys()];

export async function performStep(agent: Agent, step: FakeStep): Promise<void> {
  const [[name, argument] = ['', undefined]] = Object.entries(step);
  const row = table.get(name);
  // The table and the type of a step come from the same rows, but TypeScript cannot see that a name goes with its argument.
  if (typeof row === 'function') await Reflect.apply(row, undefined, [agent, argument]);
}

/** A promise alone does not keep a process alive; a timer does. */
function forever(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 2 ** 30));
}
