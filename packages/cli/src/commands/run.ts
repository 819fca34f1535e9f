import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NoDaemonError, SingletreeError, type CreateTask, type Singletree, type Task } from '@singletree/sdk';
import type { Call, CommandModule } from '../call.ts';
import { ensureDaemon } from '../daemon/ensure.ts';
import { exitCodes } from '../exit-codes.ts';
import { badInput, CommandFailure, failureFrom } from '../failure.ts';
import { callersTrace } from '../input/callers-trace.ts';
import { refusePathsOfHere } from '../input/other-machine.ts';
import { readPrompt } from '../input/prompt.ts';
import { defineTaskFlags, taskFrom, type TaskFlags } from '../input/task-flags.ts';
import { leave, watchAll } from './watching.ts';

interface RunFlags extends TaskFlags {
  readonly file?: string;
  readonly detach?: true;
  readonly wait?: true;
  readonly config?: string;
}

export const run: CommandModule = {
  define(command) {
    command.option('-f, --file <FILE>', 'YAML file with a task, or a list of tasks');
    defineTaskFlags(command);
    command
      .option('--detach', 'print the id and leave the task to the daemon')
      .option('--wait', 'go on watching while the task is blocked')
      .option('--config <FILE>', 'configuration of the daemon that is started where none runs')
      .addHelpText(
        'after',
        `
PROMPT is what the agent is told; - reads it from standard input; one that begins with - comes after --.
FILE has the keys that docs/configuration.md lists under "A file of tasks"; the least is "instructions: what should be done".

Examples:
  singletree run --gate test="npm test" "make the failing test pass"
  singletree run --workspace ~/src/shop --harness codex --timeout 30m - < prompt.md
  singletree run -f tasks.yaml --json | jq .outcome`,
      );
  },

  async run(call, command) {
    const flags = command.opts<RunFlags>();
    const wanted = await wantedTasks(call, command, flags);
    await ensureDaemon(call, flags.config);
    const client = await call.client();
    const tasks = await createAll(call, client, wanted, flags.config);
    if (flags.detach) return leave(call, tasks);
    return await watchAll(call, client, tasks, flags);
  },
};

async function wantedTasks(call: Call, command: Command, flags: RunFlags): Promise<CreateTask[]> {
  const { cwd, stdin } = call.world;
  const [prompt] = command.args;
  const machine = await call.otherMachine();
  if (flags.file !== undefined) {
    if (prompt !== undefined) throw badInput('a prompt and --file are two sources', 'give one of them');
    const { readTasksFile } = await import('../input/tasks-file.ts');
    const tasks = readTasksFile(resolve(cwd, flags.file));
    if (tasks.length > 1 && flags.requestId !== undefined)
      throw badInput(`--request-id names one task, but ${flags.file} holds ${tasks.length}`, 'put request_id into the file');
    if (machine !== undefined) tasks.forEach((task) => refusePathsOfHere(machine, flags, task.workspace));
    return await Promise.all(tasks.map((task) => taskFrom({ ...task, instructions: task.instructions ?? '' }, flags, cwd)));
  }
  if (prompt === undefined) throw badInput('what should be done is missing', 'singletree run "make the failing test pass"', 'EMPTY_PROMPT');
  if (machine !== undefined) refusePathsOfHere(machine, flags, undefined);
  return [await taskFrom({ instructions: await readPrompt(prompt, stdin) }, flags, cwd)];
}

/** Creates the tasks, each once, also where the daemon stops just now and another has to be started. */
async function createAll(call: Call, client: Singletree, wanted: readonly CreateTask[], config: string | undefined): Promise<Task[]> {
  const created: Task[] = [];
  for (const task of wanted) {
    const request = { ...callersTrace(call.world.env), ...task, requestId: task.requestId ?? randomUUID() };
    try {
      created.push(await createOnce(call, client, request, config));
    } catch (error) {
      if (created.length === 0) throw error;
      const { message, hint, code, reason, metadata } = failureFrom(error);
      const before = `created before it, and left alone: ${created.map(({ id }) => id).join(', ')}`;
      throw new CommandFailure(`task ${created.length + 1} of ${wanted.length}: ${message}`, {
        code,
        reason,
        metadata,
        hint: [hint, before].filter((line) => line !== undefined).join('\n'),
        exitCode: exitCodes.failure,
      });
    }
  }
  return created;
}

async function createOnce(call: Call, client: Singletree, request: CreateTask, config: string | undefined): Promise<Task> {
  try {
    return await client.tasks.create(request);
  } catch (error) {
    const leaves = error instanceof NoDaemonError || (error instanceof SingletreeError && error.reason === 'SHUTTING_DOWN');
    if (!leaves || call.isRemote) throw error;
    await ensureDaemon(call, config);
    return await client.tasks.create(request);
  }
}
