import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiKeyVariable } from './agent.ts';
import type { Agent, FakeUsage, Permissions } from './agent.ts';

/**
 * All that a script can let the agent do. A step is an object with one key, the name of its row, and the row's argument as value:
 * `{ "say": "done" }`. A new step is one row here. Paths are relative to the agent's working directory.
 */
const simpleSteps = {
  say: (agent: Agent, text: string): void => agent.emit({ type: 'text', text }),

  /** A model call. `told: false` keeps it off the output, as if the agent had died before it could say it: only the session file knows. */
  call(agent: Agent, call: FakeUsage & { model?: string; thread?: string; costUsd?: number; told?: boolean }): void {
    const { model, thread, costUsd, told = true, ...usage } = call;
    agent.call({ usage, told, ...(model && { model }), ...(thread && { thread }), ...(costUsd !== undefined && { costUsd }) });
  },

  write: (agent: Agent, { path, content }: { path: string; content: string }): Promise<void> =>
    tool(agent, 'Write', path, 'edits', () => {
      const change = existsSync(path) ? 'modified' : 'added';
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
      agent.emit({ type: 'file', path, change });
    }),

  edit: (agent: Agent, { path, from, to }: { path: string; from: string; to: string }): Promise<void> =>
    tool(agent, 'Edit', path, 'edits', () => {
      const before = readFileSync(path, 'utf8');
      if (!before.includes(from)) throw new Error(`${path} does not hold ${JSON.stringify(from)}`);
      writeFileSync(
        path,
        before.replace(from, () => to),
      );
      agent.emit({ type: 'file', path, change: 'modified' });
    }),

  delete: (agent: Agent, path: string): Promise<void> =>
    tool(agent, 'Delete', path, 'edits', () => {
      rmSync(path, { recursive: true });
      agent.emit({ type: 'file', path, change: 'deleted' });
    }),

  /** A shell command. It runs in a session and process group of its own, as the tool shells of real agents do. */
  run: (agent: Agent, command: string): Promise<void> =>
    tool(agent, 'Bash', command, 'all', async () => {
      const { code, output } = await shell(command);
      if (code !== 0) throw new Error(`exit ${code}\n${output}`);
      return output;
    }),

  retry: (agent: Agent, retry: { reason: string; status?: number; delayMs?: number }): void => agent.emit({ type: 'retry', ...retry }),
  rateLimit: (agent: Agent, limit: { resetsAtMs?: number; message?: string }): void => agent.emit({ type: 'rate_limit', ...limit }),
  permissionDenied: (agent: Agent, denied: { tool: string; message: string }): void => agent.emit({ type: 'permission_denied', ...denied }),
  compaction: (agent: Agent, tokens: { before?: number; after?: number }): void => agent.emit({ type: 'compaction', ...tokens }),
  subagentStarted: (agent: Agent, subagent: { id: string; name?: string }): void => agent.emit({ type: 'subagent_started', ...subagent }),
  subagentEnded: (agent: Agent, subagent: { id: string }): void => agent.emit({ type: 'subagent_ended', ...subagent }),

  /** The agent's last word; more than one is possible. A script that says none ends with success. */
  result: (
    agent: Agent,
    result: 'success' | 'failed' | { failed?: boolean; interrupted?: boolean; message?: string; reason?: string },
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

  /**
   * A child that leaves the session and lives on for `seconds` (300): what a sweep must find. Its pid is appended to `pidFile`. It can append itself
   * to `recordTo`, as a line `PID START` (its start as in /proc/PID/stat), stop itself, or fork on: hand its life to a new process every 100 ms.
   */
  spawn(
    _agent: Agent,
    child: {
      seconds?: number;
      ignoreSignals?: boolean;
      holdStdout?: boolean;
      pidFile?: string;
      recordTo?: string;
      does?: 'stops' | 'forks_on';
    },
  ): void {
    const { seconds = 300, ignoreSignals = false, holdStdout = false, pidFile, recordTo = '/dev/null', does } = child;
    const { pid } = spawn('/bin/bash', ['-c', childScript(does, ignoreSignals), 'child', recordTo, String(seconds)], {
      detached: true,
      stdio: ['ignore', holdStdout ? 'inherit' : 'ignore', 'ignore'],
    });
    if (pidFile) appendFileSync(pidFile, `${pid}\n`);
  },

  ignoreSignals: (_agent: Agent, signals: readonly NodeJS.Signals[]): void => signals.forEach((signal) => process.on(signal, () => {})),

  /** A line exactly as it is here, on standard output. */
  raw: (agent: Agent, line: string): void => agent.print('stdout', `${line}\n`),

  /** So many bytes on standard output, in lines of 64 that mean nothing. */
  bytes(agent: Agent, count: number): void {
    const block = `${'x'.repeat(63)}\n`.repeat(1024);
    for (let left = count; left > 0; left -= block.length) agent.print('stdout', block.slice(0, left));
  },

  /** One text of so many characters, in one line. */
  hugeLine: (agent: Agent, length: number): void => agent.emit({ type: 'text', text: 'y'.repeat(length) }),

  stderr: (agent: Agent, text: string): void => agent.print('stderr', text),

  /** Ends at once, without a result unless one was said. */
  exit: (_agent: Agent, code: number): never => process.exit(code),

  kill: async (_agent: Agent, signal: NodeJS.Signals): Promise<void> => {
    process.kill(process.pid, signal);
    await forever();
  },

  hang: (_agent: Agent, _: true): Promise<void> => forever(),
};

/** Steps that hold steps. Apart from the table, because a table cannot be typed by itself. */
interface NestingSteps {
  repeat: { readonly times: number; readonly steps: readonly FakeStep[] };
  /** What a signal starts instead of ending the agent, beside whatever it does at that moment. */
  onSignal: { readonly signal: NodeJS.Signals; readonly steps: readonly FakeStep[] };
}

const nestingSteps: { readonly [Name in keyof NestingSteps]: (agent: Agent, argument: NestingSteps[Name]) => unknown } = {
  async repeat(agent, { times, steps: inner }) {
    for (let time = 0; time < times; time++) await agent.perform(inner);
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

export const stepNames: readonly string[] = [...table.keys()];

export async function performStep(agent: Agent, step: FakeStep): Promise<void> {
  const [[name, argument] = ['', undefined]] = Object.entries(step);
  const row = table.get(name);
  // The table and the type of a step come from the same rows, but TypeScript cannot see that a name goes with its argument.
  if (typeof row === 'function') await Reflect.apply(row, undefined, [agent, argument]);
}

const strength: Readonly<Record<Permissions, number>> = { read: 0, edits: 1, all: 2 };

/** Tells of a tool as it starts and ends. A failure is the model's to deal with, so the agent goes on, as real ones do. */
async function tool(agent: Agent, name: string, summary: string, needs: Permissions, work: () => unknown): Promise<void> {
  if (strength[agent.permissions] < strength[needs]) {
    return agent.emit({
      type: 'permission_denied',
      tool: name,
      message: `${name} needs the permissions "${needs}"; given: "${agent.permissions}"`,
    });
  }
  const id = agent.nextToolId();
  agent.emit({ type: 'tool_started', id, tool: name, summary });
  try {
    const output = await work();
    agent.emit({ type: 'tool_finished', id, tool: name, failed: false, output: typeof output === 'string' ? output : '' });
  } catch (error) {
    agent.emit({ type: 'tool_finished', id, tool: name, failed: true, output: error instanceof Error ? error.message : String(error) });
  }
}

/** Of `spawn`. Its arguments are the file to append to and the seconds to live. */
function childScript(does: 'stops' | 'forks_on' | undefined, ignoreSignals: boolean): string {
  const record = 'read -r line < /proc/$BASHPID/stat; fields=($line); echo "$BASHPID ${fields[21]}" >> "$file"';
  const live = { stops: 'kill -STOP $BASHPID', forks_on: 'sleep 0.1; (( SECONDS < seconds )) && live & exit' };
  return [
    'file=$1 seconds=$2',
    ...(ignoreSignals ? [`trap '' TERM INT HUP`] : []),
    `live() { ${record}; ${does === undefined ? '' : `${live[does]};`} }`,
    'live',
    'exec sleep "$seconds"',
  ].join('\n');
}

function shell(command: string): Promise<{ code: number | NodeJS.Signals; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/bash', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal ?? 0, output }));
  });
}

/** A promise alone does not keep a process alive; a timer does. */
function forever(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 2 ** 30));
}
