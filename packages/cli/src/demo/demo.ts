import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskCompletionEvent } from '@singletree/sdk';
import { dropping, repository, startModelServer, startOtlpReceiver, type MarkedProcess } from '@singletree/testing';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { duration, facts } from '../terminal/figures.ts';
import type { Row } from '../terminal/row.ts';
import type { Screen } from '../terminal/screen.ts';
import { fetchClaudeCode, findClaudeCode } from './claude-code.ts';
import { changePanel, eventPanel, tracePanel } from './closing.ts';
import { DemoDaemon } from './demo-daemon.ts';
import { DemoFolder } from './demo-folder.ts';
import { during, untilTrue } from './failure.ts';
import { leaveEvidence } from './out-folder.ts';
import { layOut } from './panels.ts';
import { files, script } from './scenario.ts';
import { alteringVariable, callsOf, compare, type Comparison } from './served.ts';
import { play } from './story.ts';

export interface DemoOptions {
  /** The folder that the demo may write in. */
  readonly project: string;
  /** An empty folder that the evidence is left in. */
  readonly out?: string | undefined;
  /** What the scripted usage figures are drawn from. */
  readonly seed: number;
  readonly screen: Screen;
  readonly env: NodeJS.ProcessEnv;
  /** Ends the demo, and all that it has started. */
  readonly signal: AbortSignal;
}

export interface DemoResult {
  readonly event: TaskCompletionEvent;
  readonly comparison: Comparison;
  readonly left: readonly MarkedProcess[];
}

/** A shim still has its last file to sync when the daemon has seen the ending. */
const afterwardsMs = 3_000;

/**
 * Shows on a real agent what happens when it is wrong, when the daemon is killed and when the collector is away. Whatever comes of it, no
 * process is left, and no file; only of a demo that failed its folder is kept, for the daemon's log: the `CommandFailure` says where.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { project, screen, signal } = options;
  const folder = await DemoFolder.make(project);
  let kept = false;
  try {
    return await perform(folder, options);
  } catch (error) {
    signal.throwIfAborted();
    kept = existsSync(folder.daemonLog);
    const message = error instanceof Error ? error.message : String(error);
    const hint = kept ? `the daemon's log, kept until the next demo: ${folder.daemonLog}` : undefined;
    throw new CommandFailure(message, { code: 'internal', reason: 'DEMO_FAILED', hint, exitCode: exitCodes.failure });
  } finally {
    screen.close();
    await folder.sweep();
    if (!kept) folder.remove();
  }
}

async function perform(folder: DemoFolder, options: DemoOptions): Promise<DemoResult> {
  const { screen, env, signal } = options;
  const claude = await bringClaude(folder, options);
  await using shop = await repository({ files, path: folder.repository });
  const apiKey = randomUUID();
  await using models = await startModelServer(script(options.seed), { apiKey });
  await using receiver = await startOtlpReceiver({ behaviour: dropping(1) });
  const daemon = new DemoDaemon(folder, { claude, modelUrl: models.url, apiKey, otlpUrl: receiver.url }, env);
  const event = await play({ folder, repository: shop, daemon, models, receiver, screen, signal });

  const { look } = screen;
  const diff = await shop.git('diff', '--no-color', '--unified=0', event.baseCommit ?? 'HEAD', event.frozenCommit ?? 'HEAD');
  const panels = [changePanel(diff, look), eventPanel(event, look), tracePanel(receiver.spans(), look)];
  screen.lines(['', ...layOut(panels, look)]);

  await during('stopping the daemon', () => daemon.stop(), signal);
  const isOver = (): boolean => folder.livingProcesses().length === 0;
  await untilTrue(isOver, { what: 'the last process', timeoutMs: afterwardsMs }, signal).catch(() => undefined);
  const left = folder.livingProcesses();
  const calls = callsOf(models.served, env[alteringVariable] === '1');
  if (options.out !== undefined) leaveEvidence(options.out, { event, calls, requests: receiver.requests });
  return { event, comparison: compare(calls, event), left };
}

/** Says who plays, and brings the agent if it is not there yet. Gives its program. */
async function bringClaude(folder: DemoFolder, { project, screen, signal }: DemoOptions): Promise<string> {
  const claude = findClaudeCode(join(project, '.toolchain'));
  const licence = `Claude Code ${claude.version} (${claude.megabytes} MB from npm, its maker's licence)`;
  screen.lines(['']);
  screen.heading('singletree demo', facts(licence, 'scripted model on 127.0.0.1: no key, nothing leaves this machine'));
  screen.lines(['']);
  if (claude.isInstalled) return claude.executable;
  const began = performance.now();
  const row = (): Row => ({
    mark: 'in_progress',
    label: 'fetching',
    text: `${claude.packageName} ${claude.version}`,
    note: duration(performance.now() - began),
  });
  const open = screen.open({ ...row(), note: '' }, row);
  await fetchClaudeCode(claude, folder.path, signal);
  open.settle({ ...row(), mark: 'success', label: 'fetched' });
  screen.lines(['']);
  return claude.executable;
}
