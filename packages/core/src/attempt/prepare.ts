import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { RefusedAttempt, type AttemptContext, type Baseline } from '@singletree/harness';
import { readableEnd } from '../gates/readable.ts';
import { shellCommand } from '../gates/result.ts';
import type { Plugin } from '../plugins/catalogue.ts';
import { PluginFailure } from '../plugins/guard.ts';
import { advised } from '../task/advice.ts';
import type { Command } from '../task/commands.ts';
import { timedOut } from '../task/ending.ts';
import { setupToRun } from '../task/next.ts';
import { newestTree } from '../task/outcome.ts';
import { planAttempt, type AttemptPlan } from '../task/plan.ts';
import { renderContinue, renderFindings, renderPrompt, type ContextText } from '../task/prompt.ts';
import {
  newestAttempt,
  openProcess,
  type Attempt,
  type ContextItem,
  type Failure,
  type Task,
  type TaskProcess,
  type WorkspaceMode,
} from '../task/task.ts';
import { readContextFile } from './context-file.ts';
import { outputEnd } from './output-end.ts';
import { attemptTrace, otherOutputBytes, prepareProcess } from './processes.ts';
import type { Rooms } from './rooms.ts';
import { StepFailure } from './step-failure.ts';
import { refuseTakenNames, secretsOf } from './secrets.ts';
import { readSessionFiles } from './session-files.ts';
import { exitOf, supervise, withoutExit } from './supervise.ts';
import { trustOf } from './trust.ts';
import { isMetered, usedUp } from './watchdogs/daemon-limits.ts';

/** A probe older than this is asked again before an attempt. */
const probeAgeMs = 60_000;
/** What a failed setup command's message shows of its output. */
const setupTailBytes = 4 * 1024;

/** Makes everything ready for the next attempt, one committed piece at a time; the last piece starts it. */
export async function prepare(task: Task, rooms: Rooms): Promise<Command> {
  const process = openProcess(task);
  if (process) return await finishSetup(task, process, rooms);
  const limit = limitBefore(task);
  if (limit) return { kind: 'fail', ...limit };
  const { plugin, warning, refused } = await readyPlugin(task, rooms);
  // Somebody has to log in first: that is no fault of the task's, and costs it no attempt.
  if (refused !== undefined) return { kind: 'block', reason: 'unauthenticated', message: refused, probe: true };
  refuseUnpriced(task, plugin, rooms);
  if (!task.workspace) return { kind: 'open_workspace', workspace: await rooms.workspaces.open(task) };
  if (!task.base) return await nextSetup(task, rooms);
  const started = await start(task, plugin, rooms);
  const warnings = [warning, started.warning].filter((text) => text !== undefined).join('; ');
  return { ...started, ...(warnings === '' ? {} : { warning: warnings }) };
}

/** A limit over all attempts that is used up: whatever were started now would only be ended for it. */
function limitBefore(task: Task): Failure | undefined {
  if (task.usedMs >= task.spec.limits.timeoutMs) return timedOut(task);
  const { stop, message = '' } = usedUp(task) ?? {};
  if (stop !== 'turn_limit' && stop !== 'token_limit' && stop !== 'cost_limit') return undefined;
  return { reason: stop, message: advised(stop, message) };
}

interface Ready {
  readonly plugin: Plugin;
  readonly warning?: string | undefined;
  /** Why it is not logged in. */
  readonly refused?: string;
}

/** A CLI of another version than was checked may do its work all the same: it runs, with a warning. */
async function readyPlugin(task: Task, rooms: Rooms): Promise<Ready> {
  const plugin = rooms.plugins.get(task.spec.harness);
  const known = await plugin.probe(probeAgeMs);
  // Whoever has just installed it or logged in must not be told what was true before.
  const probe = known.status === 'missing' || known.status === 'unauthenticated' ? await plugin.probe(0) : known;
  switch (probe.status) {
    case 'missing':
      throw new StepFailure('harness_missing', `${probe.message}: ${probe.hint}`);
    case 'unauthenticated':
      return { plugin, refused: `${probe.message}: ${probe.hint}` };
    case 'unsupported_version':
      return { plugin, warning: `${probe.message}: ${probe.hint}` };
    case 'ready':
      return { plugin, warning: probe.warning };
  }
}

/** What may cost so much and costs nobody knows what would have to be stopped at its first call. */
function refuseUnpriced(task: Task, { harness, settings }: Plugin, { prices, now }: Rooms): void {
  const { maxCostUsdMicros } = task.spec.limits;
  const model = newestAttempt(task)?.requestedModel ?? settings.model;
  if (maxCostUsdMicros === undefined || harness.capabilities.cost || model === undefined) return;
  const usage = { uncachedInputTokens: 1, outputTokens: 1 };
  const price = prices.price({ model, provider: harness.provider, usage, at: now() });
  if (!('unknown' in price)) return;
  const todo = `declare its price under "prices" in the configuration, or that it is free, or leave the limit on its cost away`;
  throw new StepFailure('invalid_configuration', `a limit on cost cannot hold: ${price.unknown}; ${todo}`);
}

async function nextSetup(task: Task, rooms: Rooms): Promise<Command> {
  const due = setupToRun(task);
  if (!due) return { kind: 'set_base', base: await rooms.workspaces.freezeBase(task) };
  const { command, ordinal } = due;
  const cwd = await rooms.workspaces.enter(task);
  const directory = await prepareProcess(task, { role: 'setup', ordinal, ...shellCommand(command), cwd }, rooms);
  return { kind: 'open_process', role: 'setup', ordinal, directory };
}

async function finishSetup(task: Task, process: TaskProcess, rooms: Rooms): Promise<Command> {
  const ended = await supervise(task, process, rooms, {});
  const { directory } = process;
  if (ended.kind !== 'exited') return withoutExit(ended, directory);
  const exit = exitOf(ended.exit);
  if (exit.code === 0) return { kind: 'exited', directory, exit };
  const tail = readableEnd(outputEnd(join(rooms.processes.root, directory), exit.lengths), setupTailBytes);
  const how =
    exit.spawnError ??
    (exit.stop === 'output_limit'
      ? `wrote more than ${otherOutputBytes} bytes`
      : exit.code === null
        ? `ended by ${exit.signal ?? exit.stop ?? 'nothing known'}`
        : `exit code ${exit.code}`);
  const message = [`setup command "${task.spec.setup[process.ordinal] ?? ''}": ${how}`, tail].filter(Boolean).join('\n');
  return { kind: 'exited', directory, exit, message };
}

async function start(task: Task, plugin: Plugin, rooms: Rooms): Promise<Extract<Command, { kind: 'start' }>> {
  const plan = planAttempt(task);
  if (plan.workspace === 'base') await rooms.workspaces.startOver(task);
  else await restoreNewest(task, rooms);
  const cwd = await rooms.workspaces.enter(task);
  const workspace = await realpath(cwd);
  const { session, baseline } = await chooseSession(plan, plugin, workspace, rooms);
  const resumed = session.kind === 'resume';
  const prompt = await promptFor(task, plan, resumed, cwd);
  const { trusted, warning } = await trustOf(task, plugin, rooms.trustFile);
  const context: AttemptContext = {
    prompt: prompt.text,
    workspace,
    session,
    permissions: task.spec.permissions,
    root: rooms.root,
    ...(isMetered(task) ? { metered: true } : {}),
    trusted,
    trace: attemptTrace(task),
    ...telemetryOf(task, plugin),
    ...modelOf(task, plugin),
  };
  const command = build(plugin, context);
  refuseTakenNames(plugin, command);
  // One that cannot be read is told before anything is started.
  const secretNames = Object.keys(await secretsOf(plugin, command.apiKeyVariable));
  const { apiKeyVariable: _, ...run } = command;
  const directory = await prepareProcess(task, { role: 'harness', ordinal: 0, ...run, secretNames, cwd }, rooms);
  return {
    kind: 'start',
    directory,
    // An id that the CLI never hears of must not pass for that of its session.
    session: { ...(resumed || plugin.harness.capabilities.choosesSessionId ? { id: session.id } : {}), resumed },
    prompt: prompt.kind,
    decoderVersion: plugin.harness.decoderVersion,
    ...(plugin.apiKey && command.apiKeyVariable !== undefined ? { apiKeyVariable: command.apiKeyVariable } : {}),
    ...(context.telemetry && plugin.harness.capabilities.telemetry?.usage ? { spansTellUsage: true } : {}),
    ...(baseline ? { baseline } : {}),
    ...(warning === undefined ? {} : { warning }),
  };
}

/** Rework and resumed retries go on from what was frozen, whatever happened to the files since. */
async function restoreNewest(task: Task, rooms: Rooms): Promise<void> {
  const tree = newestTree(task);
  if (tree) await rooms.workspaces.restore(task, tree);
}

/** Goes on in the old session where the plan wants it, the harness can, and its files still know it. */
async function chooseSession(
  plan: AttemptPlan,
  plugin: Plugin,
  workspace: string,
  rooms: Rooms,
): Promise<{ session: AttemptContext['session']; baseline?: Baseline }> {
  const fresh = { session: { kind: 'new' as const, id: rooms.newId() } };
  const { harness } = plugin;
  if (plan.resume === undefined || !harness.capabilities.resume) return fresh;
  if (!harness.baseline) return { session: { kind: 'resume', id: plan.resume } };
  try {
    const { files, incomplete } = await readSessionFiles(plugin, plan.resume, rooms.environment);
    // What had been used before would be counted again where a file is not read now and is read after the attempt.
    const baseline = incomplete ? undefined : harness.baseline(plan.resume, files, workspace);
    return baseline ? { session: { kind: 'resume', id: plan.resume }, baseline } : fresh;
  } catch (error) {
    if (error instanceof PluginFailure) return fresh;
    throw error;
  }
}

async function promptFor(
  task: Task,
  plan: AttemptPlan,
  resumed: boolean,
  cwd: string,
): Promise<{ kind: NonNullable<Attempt['prompt']>; text: string }> {
  const findings = plan.findingsOf ? findingsText(task, plan.findingsOf) : undefined;
  if (resumed && plan.prompt === 'continue') return { kind: 'continue', text: renderContinue(findings) };
  if (resumed && findings !== undefined) return { kind: 'findings', text: findings };
  const full = renderPrompt(
    task.spec,
    await Promise.all(task.spec.context.map((item) => contextText(item, cwd, task.spec.workspace.mode))),
  );
  return findings === undefined ? { kind: 'full', text: full } : { kind: 'full_with_findings', text: `${full}\n${findings}` };
}

function findingsText(task: Task, attempt: Attempt): string {
  const commands = new Map(task.spec.gates.map((gate) => [gate.name, gate.command]));
  return renderFindings(
    task.gateResults.filter((result) => result.attempt === attempt.number),
    commands,
  );
}

async function contextText(item: ContextItem, cwd: string, mode: WorkspaceMode): Promise<ContextText> {
  if (item.kind === 'text') return { text: item.text };
  const read = await readContextFile(cwd, item.path, mode);
  if ('refused' in read) throw new StepFailure('invalid_configuration', `context file ${item.path} ${read.refused}`);
  return { name: item.path, text: read.text };
}

/** Where the harness's own traces go, and by which attributes they are found, where they do not join the attempt's. */
function telemetryOf(task: Task, { telemetry }: Plugin): Pick<AttemptContext, 'telemetry'> {
  if (!telemetry) return {};
  const attempt = { 'singletree.task.id': task.id, 'singletree.attempt.number': String(newestAttempt(task)?.number ?? 0) };
  return { telemetry: { ...telemetry, resource: { ...telemetry.resource, ...attempt } } };
}

function modelOf(task: Task, plugin: Plugin): { model?: string } {
  const model = newestAttempt(task)?.requestedModel ?? plugin.settings.model;
  return model === undefined ? {} : { model };
}

function build(plugin: Plugin, context: AttemptContext): ReturnType<Plugin['harness']['command']> {
  try {
    return plugin.harness.command(context, plugin.settings);
  } catch (error) {
    if (error instanceof RefusedAttempt || error instanceof PluginFailure)
      throw new StepFailure('invalid_configuration', error.message, { cause: error });
    throw error;
  }
}
