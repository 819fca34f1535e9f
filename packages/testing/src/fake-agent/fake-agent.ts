#!/usr/bin/env node
// A coding agent that does what a script says. Run with --help to see how.
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { agentVersion } from './agent.ts';
import { chooseSteps, readScript } from './script.ts';
import { openSession } from './session.ts';
import { isSilentStart, performStep } from './steps.ts';
import type { Agent, OutputLine, Permissions } from './agent.ts';

const help = `usage: fake-agent --script FILE (--session ID | --resume ID) [--model NAME] [--permissions all|edits|read] [--cumulative]
The prompt is read from standard input; what happens is told on standard output, one JSON object a line.
The session is kept in $HOME/.fake-agent/ID.jsonl.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      script: { type: 'string' },
      session: { type: 'string' },
      resume: { type: 'string' },
      model: { type: 'string', default: 'fake-1' },
      permissions: { type: 'string', default: 'all' },
      cumulative: { type: 'boolean', default: false },
      version: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const { script: file, model, permissions, cumulative } = values;
  if (values.version) return console.log(`fake-agent ${agentVersion}`);
  if (values.help) return console.log(help);
  if (!file || !(values.session ?? values.resume) || !isPermissions(permissions)) throw new Error(help);

  const id = values.resume ?? values.session ?? '';
  const session = openSession(id, values.resume !== undefined);
  const prompt = readFileSync(0, 'utf8');
  const chosen = chooseSteps(readScript(readFileSync(file, 'utf8')), {
    prompt,
    resumed: values.resume !== undefined,
    count: (name) => claimNumber(`${file}.${name}`),
  });

  let resultSaid = false;
  let sessionSaid = false;
  let tools = 0;
  const print: Agent['print'] = (output, text) => writeFileSync(output === 'stdout' ? 1 : 2, text);
  const saySession = (): void => {
    if (!sessionSaid)
      print('stdout', `${JSON.stringify({ type: 'session', session: id, model, version: agentVersion } satisfies OutputLine)}\n`);
    sessionSaid = true;
  };
  const emit = (line: OutputLine): void => {
    saySession();
    resultSaid ||= line.type === 'result';
    print('stdout', `${JSON.stringify(line)}\n`);
  };
  const agent: Agent = {
    argv: process.argv,
    prompt,
    model,
    permissions,
    print,
    emit,
    nextToolId: () => `tool-${++tools}`,
    call({ told, ...call }) {
      const kept = { type: 'call' as const, id: `call-${session.calls() + 1}`, model, ...call };
      session.append(kept);
      if (told) emit(cumulative && call.usage ? { ...kept, usage: session.total() } : kept);
    },
    async perform(steps) {
      for (const step of steps) await performStep(agent, step);
    },
  };

  session.append({ type: 'prompt', text: prompt, pid: process.pid });
  if (!isSilentStart(chosen)) saySession();
  await agent.perform(chosen);
  if (!resultSaid) emit({ type: 'result', isError: false });
  // Not left to the empty event loop: handlers and children of a script may hold it.
  process.exit(0);
}

/** The first free number: the file that stands for it is made, or was there, in one call. */
function claimNumber(prefix: string): number {
  for (let number = 1; ; number++) {
    try {
      closeSync(openSync(`${prefix}-${number}`, 'wx'));
      return number;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

function isPermissions(text: string): text is Permissions {
  return text === 'all' || text === 'edits' || text === 'read';
}

main().catch((error: unknown) => {
  process.stderr.write(`fake-agent: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(64);
});
