import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { NoDaemonError, SingletreeError, type CreateTask, type Singletree, type Task } from '@singletree/sdk';
import type { Call, CommandModule } from '../call.ts';
import { ensureDaemon } from '../daemon/ensure.ts';
import { codeOfAll, exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput, CommandFailure, failureFrom } from '../failure.ts';
import { readPrompt } from '../input/prompt.ts';
import { defineTaskFlags, taskFrom, type TaskFlags } from '../input/task-flags.ts';
import { shortId, shortIds } from '../task-argument.ts';
import { facts } from '../terminal/figures.ts';
import type { Screen } from '../terminal/screen.ts';
import { oneLine } from '../terminal/text.ts';
import { Detached, follow } from './follow.ts';
import { showResult } from './result.ts';

interface RunFlags extends TaskFlags {
  readonly file?: string;
  readonly detach?: true;
  readonly config?: string;
}

export const run: CommandModule = {
  define(command) {
    command.option('-f, --file <FILE>', 'YAML file with a task, or a list of tasks');
    defineTaskFlags(command);
    command
      .option('--detach', 'print the id and leave the task to the daemon')
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
    return await watchAll(call, client, tasks);
  },
};

async function wantedTasks(call: Call, command: Command, flags: RunFlags): Promise<CreateTask[]> {
  const { cwd, stdin } = call.world;
  const [prompt] = command.args;
  if (flags.file !== undefined) {
    if (prompt !== undefined) throw badInput('a prompt and --file are two sources', 'give one of them');
    const { readTasksFile } = await import('../input/tasks-file.ts');
    const tasks = readTasksFile(resolve(cwd, flags.file));
    if (tasks.length > 1 && flags.requestId !== undefined)
      throw badInput(`--request-id names one task, but ${flags.file} holds ${tasks.length}`, 'put request_id into the file');
    return await Promise.all(tasks.map((task) => taskFrom({ ...task, instructions: task.instructions ?? '' }, flags, cwd)));
  }
  if (prompt === undefined) throw badInput('what should be done is missing', 'singletree run "make the failing test pass"', 'EMPTY_PROMPT');
  return [await taskFrom({ instructions: await readPrompt(prompt, stdin) }, flags, cwd)];
}

/** Creates the tasks, each once, also where the daemon stops just now and another has to be started. */
async function createAll(call: Call, client: Singletree, wanted: readonly CreateTask[], config: string | undefined): Promise<Task[]> {
  const created: Task[] = [];
  for (const task of wanted) {
    const request = { ...task, requestId: task.requestId ?? randomUUID() };
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

function leave(call: Call, tasks: readonly Task[]): ExitCode {
  const names = shortIds(tasks.map(({ id }) => id));
  for (const { id } of tasks) {
    if (call.json) call.printJson({ task_id: id });
    else call.print([id]);
    const name = names.get(id) ?? id;
    call.next([
      [`singletree watch ${name}`, 'follows it'],
      [`singletree cancel ${name}`, 'ends it'],
    ]);
  }
  return exitCodes.success;
}

/** Watches all of them at once, and shows how each came to rest in the order of the file. */
async function watchAll(call: Call, client: Singletree, tasks: readonly Task[]): Promise<ExitCode> {
  const screen = call.screen();
  const names = shortIds(tasks.map(({ id }) => id));
  const many = tasks.length > 1;
  const of = (at: number): string | undefined => (many ? `#${at + 1}` : undefined);
  for (const [at, task] of tasks.entries()) introduce(call, screen, task, of(at));
  const leaving = new AbortController();
  const stopListening = onInterrupts(call, screen, client, tasks, leaving);
  try {
    const followed = tasks.map((task, at) => follow(client, task.id, { screen, of: of(at), signal: leaving.signal }));
    await Promise.all(followed);
    const codes: ExitCode[] = [];
    for (const [at, { id }] of tasks.entries()) {
      const name = many ? (names.get(id) ?? id) : '-';
      codes.push(await showResult(call, (await followed[at]) ?? missing(), { client, taskId: id, name, of: of(at) }));
    }
    return codeOfAll(codes);
  } catch (error) {
    screen.close();
    if (!(error instanceof Detached)) throw error;
    call.note('\nleft; the daemon goes on. To come back:');
    call.next(tasks.map(({ id }) => [`singletree watch ${shortId(id)}`, 'follows it to its end']));
    return error.exitCode;
  } finally {
    stopListening();
  }
}

function missing(): never {
  throw new Error('bug: a task was not followed');
}

function introduce(call: Call, screen: Screen, task: Task, of: string | undefined): void {
  const { id, title, workspace, permissions, harness } = task;
  screen.heading(oneLine(title), facts(`task ${shortId(id)}`, workspace.mode, `permissions: ${permissions}`), of);
  if (permissions === 'all' && harness === 'claude_code' && process.getuid?.() === 0)
    call.warn('this is root: Claude Code is told that it is sandboxed, because it would refuse permissions all otherwise');
}

/** The first Ctrl-C asks to cancel, the second leaves. */
function onInterrupts(call: Call, screen: Screen, client: Singletree, tasks: readonly Task[], leaving: AbortController): () => void {
  let asked = false;
  return call.world.onInterrupt(() => {
    if (asked) return leaving.abort(new Detached('left by the second Ctrl-C'));
    asked = true;
    screen.row({ mark: 'cancelled', label: 'Ctrl-C', text: 'asks to cancel; once more leaves without waiting' });
    const failed = (error: unknown): void => screen.row({ mark: 'warning', label: 'cancel', text: oneLine(failureFrom(error).message) });
    for (const { id } of tasks) void cancelUnfinished(client, id).catch(failed);
  });
}

async function cancelUnfinished({ tasks }: Singletree, id: string): Promise<void> {
  try {
    await tasks.cancel(id, { by: process.env['USER'] ?? 'singletree run', why: 'Ctrl-C' });
  } catch (error) {
    // It was faster.
    if (!(error instanceof SingletreeError && error.reason === 'ILLEGAL_TRANSITION')) throw error;
  }
}
