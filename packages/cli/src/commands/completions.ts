import { open, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ExportCompletions, Outcome, TaskType } from '@singletree/sdk';
import { Option } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import { exitCodes } from '../exit-codes.ts';
import { badInput, CommandFailure } from '../failure.ts';
import { momentOf } from '../input/moment.ts';
import { outcomes, taskTypes } from '../input/words.ts';
import { exact, facts } from '../terminal/figures.ts';
import { clean } from '../terminal/text.ts';

interface CompletionFlags {
  readonly format: 'jsonl' | 'csv';
  readonly since?: string;
  readonly until?: string;
  readonly outcome?: readonly Outcome[];
  readonly harness?: readonly string[];
  readonly type?: readonly TaskType[];
  readonly after?: string;
  readonly out?: string;
}

const eventId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const usage = 'singletree completions export [--format jsonl|csv] [--since 7d] [--out FILE]';

export const completions: CommandModule = {
  define(command) {
    command
      .usage('export [FLAGS]')
      .addOption(new Option('--format <FORMAT>', 'an object on each line, or a table').choices(['jsonl', 'csv']).default('jsonl'))
      .option('--since <WHEN>', 'tasks that ended since then: 7d or 12h ago, or a time such as 2026-11-20T08:00Z')
      .option('--until <WHEN>', 'tasks that ended before then')
      .addOption(new Option('--outcome <OUTCOME...>', 'only these').choices(outcomes))
      .option('--harness <ID...>', 'only where one of these ran the last attempt')
      .addOption(new Option('--type <TYPE...>', 'only these types of task').choices(taskTypes))
      .option('--after <EVENT>', 'id of the last event that you have: only what comes after it')
      .option('--out <FILE>', 'where to write it (default: standard output)')
      .addHelpText(
        'after',
        `
export writes the record of every finished task, oldest first, as it is kept: with its summary and paths, whether or not telemetry leaves the
machine. jsonl is an object on each line, the same that singletree run --json prints. csv is a table by RFC 4180 with a column for each field that
is a single value; what is unknown is empty, never 0, and text that a spreadsheet would run as a formula has an apostrophe before it.

Examples:
  singletree completions export --since 30d --format csv --out november.csv
  singletree completions export --outcome failure timeout | jq -r .failure.reason | sort | uniq -c
  singletree completions export --after 0199c1d4-7f3a-7b11-a2c4-0d9e8f7a6b5c >> all.jsonl`,
      );
  },

  async run(call, command) {
    const [verb] = command.args;
    if (verb !== 'export') throw badInput(`"${verb}" is nothing that completions does`, usage, 'USAGE');
    const flags = command.opts<CompletionFlags>();
    const wanted = wantedOf(flags);
    await using sink = await sinkOf(call, flags.out);
    const client = await call.client();
    let [bytes, last] = [0, ''];
    for await (const { data, lastEventId } of client.completions.export(wanted)) {
      await sink.write(data);
      bytes += data.length;
      if (lastEventId !== '') last = lastEventId;
    }
    if (flags.out !== undefined) tell(call, { file: flags.out, bytes, last });
    else if (last === '') call.note('no record fits');
  },
};

function wantedOf({ format, since, until, outcome, harness, type, after }: CompletionFlags): ExportCompletions {
  const now = Date.now();
  const [from, to] = [
    since === undefined ? undefined : momentOf('--since', since, now),
    until === undefined ? undefined : momentOf('--until', until, now),
  ];
  if (from && to && from >= to)
    throw badInput(`--until ${until} is not later than --since ${since}`, 'of two times ago, --since is the larger one');
  if (after !== undefined && !eventId.test(after))
    throw badInput(`--after "${after}" is no id of an event`, 'it is the event_id of a record that you have, whole');
  return {
    format,
    since: from,
    until: to,
    outcomes: outcome,
    harnesses: harness,
    taskTypes: type,
    afterEventId: after,
  };
}

interface Sink extends AsyncDisposable {
  write(data: Uint8Array): Promise<unknown>;
}

/** A file, or standard output as it is; on a terminal nothing of it may be obeyed. */
async function sinkOf({ world: { stdout, cwd } }: Call, out: string | undefined): Promise<Sink> {
  if (out !== undefined) return await fileSink(resolve(cwd, out));
  const decoder = new TextDecoder();
  return {
    write: async (data) => stdout.write(stdout.isTTY ? clean(decoder.decode(data, { stream: true })) : data),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function fileSink(path: string): Promise<Sink> {
  let file: FileHandle;
  try {
    file = await open(path, 'w');
  } catch (error) {
    throw badInput(unwritten(path, error), 'name a file that you may write with --out');
  }
  const write = async (data: Uint8Array): Promise<void> => {
    try {
      await file.writeFile(data);
    } catch (error) {
      const hint = 'what is in it is not all: make room, and export it again';
      throw new CommandFailure(unwritten(path, error), { code: 'internal', reason: 'OUTPUT_FAILED', hint, exitCode: exitCodes.failure });
    }
  };
  return { write, [Symbol.asyncDispose]: async () => await file.close() };
}

function unwritten(path: string, error: unknown): string {
  return `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`;
}

function tell(call: Call, { file, bytes, last }: { readonly file: string; readonly bytes: number; readonly last: string }): void {
  if (call.json) return call.printJson({ file, bytes, ...(last === '' ? {} : { last_event_id: last }) });
  call.note(facts(`${exact(bytes)} bytes in ${file}`, last === '' && 'no record fits'));
  if (last !== '') call.next([[`singletree completions export --after ${last}`, 'brings what ends from now on']]);
}
