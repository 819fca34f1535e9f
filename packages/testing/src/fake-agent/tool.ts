import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Agent, Permissions } from './agent.ts';

/** A tool call, as the agent tells it. */
export interface Call {
  readonly name: string;
  /** What a person would want to know of it. */
  readonly summary: string;
  readonly needs: Permissions;
  /** All that the call is given, where the summary is not all. */
  readonly input?: unknown;
}

const strength: Readonly<Record<Permissions, number>> = { read: 0, edits: 1, all: 2 };

/** Tells of a tool as it starts and ends. A failure is the model's to deal with, so the agent goes on, as real ones do. */
export async function tool(agent: Agent, { name, summary, needs, input = summary }: Call, work: () => unknown): Promise<void> {
  if (strength[agent.permissions] < strength[needs]) {
    const message = `${name} needs the permissions "${needs}"; given: "${agent.permissions}"`;
    return agent.emit({ type: 'permission_denied', tool: name, message });
  }
  const id = agent.nextToolId();
  agent.emit({ type: 'tool_started', id, tool: name, summary, input: hash(input) });
  try {
    const output = await work();
    agent.emit({ type: 'tool_finished', id, tool: name, failed: false, output: typeof output === 'string' ? output : '' });
  } catch (error) {
    agent.emit({ type: 'tool_finished', id, tool: name, failed: true, output: error instanceof Error ? error.message : String(error) });
  }
}

export function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Runs a command as the tool shells of real agents do: in a session and process group of its own. */
export function shell(command: string): Promise<{ code: number | NodeJS.Signals; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/bash', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? signal ?? 0, output }));
  });
}
