import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Complexity, CreateTask, GateInput, PermissionMode, TaskType, WorkspaceMode } from '@singletree/sdk';
import { badInput } from '../failure.ts';
import { readDuration } from './durations.ts';
import { share, usd, wholeNumber } from './numbers.ts';
import type { FileTask } from './tasks-file.ts';
import { complexities, permissionModes, taskTypes, workspaceModes } from './words.ts';

/** The flags that say what a task is. */
export interface TaskFlags {
  readonly harness?: string;
  readonly model?: string;
  readonly workspace?: string;
  readonly workspaceMode?: WorkspaceMode;
  readonly title?: string;
  readonly criterion?: readonly string[];
  readonly context?: readonly string[];
  readonly type?: TaskType;
  readonly complexity?: Complexity;
  /** `--no-gates` */
  readonly gates: boolean;
  readonly gate?: readonly string[];
  readonly setup?: readonly string[];
  readonly permissions?: PermissionMode;
  readonly maxAttempts?: number;
  readonly timeout?: string;
  readonly maxTokens?: number;
  /** Millionths of a US dollar. */
  readonly maxCost?: number;
  readonly maxTurns?: number;
  readonly maxContext?: number;
  readonly priority?: number;
  readonly label?: readonly string[];
  readonly requestId?: string;
}

const repeatable = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function defineTaskFlags(command: Command): void {
  command
    .option('--harness <ID>', 'coding agent, such as claude_code')
    .option('--model <NAME>', 'model to ask the agent for')
    .option('--workspace <DIR>', 'directory to work in (default: here)')
    .addOption(new Option('--workspace-mode <MODE>', 'how it is used (default: worktree)').choices(workspaceModes))
    .option('--title <TEXT>', 'one line that says what is done (default: the first line of the prompt)')
    .option('--criterion <TEXT>', 'what must be true at the end (repeatable)', repeatable)
    .option('--context <FILE>', 'file of the workspace that the agent should know (repeatable)', repeatable)
    .addOption(new Option('--type <TYPE>', 'kind of work').choices(taskTypes))
    .addOption(new Option('--complexity <LEVEL>', 'how hard it is').choices(complexities))
    .option('--gate <NAME=COMMAND>', 'check that the daemon runs on the result (repeatable)', repeatable)
    .addOption(new Option('--no-gates', 'no checks at all, also none of a tasks file').conflicts('gate'))
    .option('--setup <COMMAND>', 'makes a fresh workspace ready, such as "npm ci" (repeatable)', repeatable)
    .addOption(new Option('--permissions <MODE>', 'what the agent may do (default: all; edits with in_place)').choices(permissionModes))
    .addOption(new Option('--max-attempts <N>', 'most attempts').argParser(wholeNumber(1, 20)))
    .option('--timeout <DURATION>', 'longest time for everything that runs, such as 30m')
    .addOption(new Option('--max-cost <USD>', 'most money for all attempts, such as 2.50').argParser(usd))
    .addOption(
      new Option('--max-tokens <N>', 'most tokens for all attempts, sub-agents included').argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(new Option('--max-turns <N>', 'most model calls of the main thread for all attempts').argParser(wholeNumber(1, 2 ** 31 - 1)))
    .addOption(new Option('--max-context <SHARE>', 'fullest context, such as 0.8: then a fresh session goes on').argParser(share))
    .addOption(new Option('--priority <N>', 'higher goes first').argParser(wholeNumber(-1000, 1000)))
    .option('--label <K=V>', 'free mark (repeatable)', repeatable)
    .option('--request-id <ID>', 'the same id again gives the same task, not another one');
}

/** A task of a file or a prompt, with the flags: a flag beats the file. */
export async function taskFrom(from: FileTask & { readonly instructions: string }, flags: TaskFlags, cwd: string): Promise<CreateTask> {
  const path = flags.workspace === undefined ? (from.workspace ?? cwd) : resolve(cwd, flags.workspace);
  const mode = flags.workspaceMode ?? from.workspaceMode;
  const gates = flags.gate ? flags.gate.map(gateOf) : from.gates;
  const timeoutMs = flags.timeout === undefined ? undefined : await readDuration('--timeout', flags.timeout);
  return {
    title: oneLine(flags.title ?? from.title),
    instructions: from.instructions,
    acceptanceCriteria: flags.criterion ?? from.acceptanceCriteria,
    context: flags.context?.map((file) => ({ file: inWorkspace(file, path, cwd) })) ?? from.context,
    taskType: flags.type ?? from.taskType,
    complexity: flags.complexity ?? from.complexity,
    harness: flags.harness ?? from.harness,
    model: flags.model ?? from.model,
    permissions: flags.permissions ?? from.permissions,
    workspace: { path, mode },
    setup: flags.setup ?? from.setup,
    gates: flags.gates ? gates : [],
    limits: {
      ...from.limits,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(flags.maxAttempts === undefined ? {} : { maxAttempts: flags.maxAttempts }),
      ...(flags.maxCost === undefined ? {} : { maxCostUsdMicros: flags.maxCost }),
      ...(flags.maxTokens === undefined ? {} : { maxTokens: flags.maxTokens }),
      ...(flags.maxTurns === undefined ? {} : { maxTurns: flags.maxTurns }),
      ...(flags.maxContext === undefined ? {} : { maxContextUtilization: flags.maxContext }),
    },
    retry: from.retry,
    labels: flags.label ? Object.fromEntries(flags.label.map(labelOf)) : from.labels,
    priority: flags.priority ?? from.priority,
    requestId: flags.requestId ?? from.requestId,
  };
}

/** The daemon refuses it too, without the place. */
function oneLine(title: string | undefined): string | undefined {
  const at = title?.search(/[\x00-\x1f\x7f]/) ?? -1;
  if (title === undefined || at < 0) return title;
  const offset = Buffer.byteLength(title.slice(0, at));
  throw badInput(`title holds a control character at byte ${offset}`, 'a title is one line of text', 'INVALID_REQUEST', {
    field: 'title',
    offset: String(offset),
  });
}

/** As the daemon wants it. */
const gateName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

function gateOf(text: string): GateInput {
  const [name, command] = pair(text);
  if (name && command?.trim()) {
    if (gateName.test(name)) return { name, command };
    throw badInput(`--gate "${text}": "${name}" is no name of a gate`, 'it has letters, digits, dots, dashes and underscores, 64 at most');
  }
  throw badInput(`--gate "${text}" is not NAME=COMMAND`, 'write for example --gate test="npm test"');
}

function labelOf(text: string): [string, string] {
  const [key, value] = pair(text);
  if (key && value !== undefined) return [key, value];
  throw badInput(`--label "${text}" is not K=V`, 'write for example --label team=billing');
}

function pair(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** A path as it was typed here, as the daemon takes it: from the workspace. */
function inWorkspace(file: string, workspace: string, cwd: string): string {
  const path = resolve(cwd, file);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw badInput(
      `--context ${file}: there is no file ${path}`,
      'name a file of the workspace, from where you are',
      'INVALID_CONTEXT_FILE',
    );
  }
  const inside = relative(real(workspace), real(path));
  if (inside !== '' && !inside.startsWith('..') && !isAbsolute(inside)) return inside;
  throw badInput(
    `--context ${file} is not in the workspace ${workspace}`,
    'copy it there, or put it into the prompt',
    'INVALID_CONTEXT_FILE',
  );
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // a workspace that is not there is the daemon's to refuse
  }
}
