import type { LogChunk, LogOptions } from '@singletree/sdk';
import { Option, type Command } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import { wholeNumber } from '../input/numbers.ts';
import { taskIdOf } from '../task-argument.ts';
import { facts } from '../terminal/figures.ts';
import { LogLines, processOf, type LogLine } from '../terminal/log-lines.ts';
import type { Output } from '../terminal/look.ts';
import { clean, oneLine } from '../terminal/text.ts';

interface LogFlags {
  readonly follow?: true;
  readonly attempt?: number;
  readonly agent?: true;
  readonly setup?: true;
  readonly gate?: string;
}

export const logs: CommandModule = {
  define(command) {
    command
      .option('-f, --follow', 'go on with what will be written, until the task has ended')
      .addOption(new Option('--attempt <N>', 'only this attempt').argParser(wholeNumber(1, 2 ** 31 - 1)))
      .addOption(new Option('--agent', 'only what the agent wrote').conflicts(['setup', 'gate']))
      .addOption(new Option('--setup', 'only what the setup commands wrote').conflicts(['agent', 'gate']))
      .addOption(new Option('--gate <NAME>', 'only what this gate wrote').conflicts(['agent', 'setup']))
      .addHelpText(
        'after',
        `
Prints what the processes of a task wrote, in the order in which they ran: standard output to standard output, standard error to standard
error. Byte for byte into a file or a pipe; on a terminal without control characters, line by line, and with a heading for each process on
standard error. What the agent writes is its own format: singletree watch tells what it means.
With --json each line is an object: attempt, role, name (of a gate, or the setup's command), run, source (stdout or stderr), offset in
bytes, at (when it had been written), and text with its line feed. A line of more than 64 KiB comes in parts.

Examples:
  singletree logs - --gate test
  singletree logs 0199c1d4 -f --agent > agent.jsonl
  singletree logs - --json | jq -r 'select(.source == "stderr") | .text'`,
      );
  },

  async run(call, command) {
    const client = await call.client();
    const taskId = await taskIdOf(command.args[0] ?? '-', client);
    const printer = call.json ? jsonPrinter(call) : rawPrinter(call);
    for await (const chunk of client.tasks.logs(taskId, optionsOf(command))) printer.take(chunk);
    printer.end();
  },
};

function optionsOf(command: Command): LogOptions {
  const { follow = false, attempt, agent, setup, gate } = command.opts<LogFlags>();
  return { follow, attempt, gate, roles: [...(agent ? ['harness' as const] : []), ...(setup ? ['setup' as const] : [])] };
}

interface Printer {
  take(chunk: LogChunk): void;
  end(): void;
}

function jsonPrinter(call: Call): Printer {
  const lines = new LogLines();
  const print = ({ attempt, role, name, run, source, offset, at, bytes }: LogLine): void => {
    const named = name === '' ? {} : { name };
    call.printJson({ attempt, role, ...named, run, source, offset, ...(at ? { at: at.toISOString() } : {}), text: textOf(bytes) });
  };
  return {
    take: (chunk) => lines.take(chunk).forEach(print),
    end: () => lines.end().forEach(print),
  };
}

/** To each output what went to that one. Where that is a terminal, nothing of it may be obeyed there. */
function rawPrinter(call: Call): Printer {
  const { stdout, stderr } = call.world;
  const outputs: Readonly<Record<string, Output>> = { stdout, stderr };
  const headed = stderr.isTTY && !call.quiet;
  const lines = new LogLines();
  let process = '';
  let atLineStart = true;
  const show = ({ source, bytes }: LogLine): void => {
    const text = clean(textOf(bytes));
    outputs[source]?.write(text);
    if (text !== '') atLineStart = text.endsWith('\n');
  };
  const head = (chunk: LogChunk): void => {
    if (!headed || processOf(chunk) === process) return;
    lines.end().forEach(show);
    stderr.write(`${atLineStart ? '' : '\n'}${process === '' ? '' : '\n'}${headingOf(chunk)}\n`);
    process = processOf(chunk);
    atLineStart = true;
  };
  return {
    take(chunk) {
      head(chunk);
      if (outputs[chunk.source]?.isTTY) lines.take(chunk).forEach(show);
      else outputs[chunk.source]?.write(chunk.data);
    },
    end: () => lines.end().forEach(show),
  };
}

/** `==> attempt 1 · gate test <==` */
function headingOf({ attempt, role, name, run }: LogChunk): string {
  const what = role === 'harness' ? 'agent' : `${role} ${oneLine(name)}`;
  return `==> ${facts(`attempt ${attempt}`, what, run > 1 && `run ${run}`)} <==`;
}

/** A byte order mark stays: the text is what was written. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
