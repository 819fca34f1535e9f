import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { toJson } from '@singletree/sdk';
import type { Call, CommandModule } from '../call.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { Screen } from '../terminal/screen.ts';
import type { Output } from '../terminal/look.ts';
import { nextLines, proofLines } from './closing.ts';
import { runDemo, type DemoResult } from './demo.ts';
import { findProject } from './demo-folder.ts';
import { prepareOutFolder } from './out-folder.ts';

interface DemoFlags {
  readonly out?: string;
  readonly seed?: number;
}

const silent: Output = { write: () => {}, isTTY: false };

export const demo: CommandModule = { define, run };

function define(command: Command): void {
  command
    .option('--out <DIR>', 'leave the evidence in DIR, which must be empty or not there yet')
    .option('--seed <N>', 'draw the scripted usage figures from N, a whole number from 0 on', seed)
    .addHelpText(
      'after',
      `
Gives a real Claude Code a repository with a failing test, and a scripted model on 127.0.0.1 that makes it go wrong. The agent claims
success and is not believed; the daemon is killed and adopts the running agent; the telemetry receiver is away and comes back. It ends with
a comparison of what the model served with what the completion event says, and exits 1 if they differ or if a process is left.

Needs npm and git. Fetches Claude Code once into .toolchain/. Needs no key and no login, and leaves neither processes nor files.

--out DIR leaves
  event.json         the completion event, as "singletree run --json" prints it
  model.jsonl        a line a model call: what the model served
  otlp/NNN.bin       each request that the receiver got, its body uncompressed
  otlp/index.jsonl   a line a request: file, path, content type, and whether it was acknowledged

Example:
  singletree demo --out /tmp/evidence --seed 7
`,
    );
}

async function run(call: Call, command: Command): Promise<ExitCode> {
  const flags = command.opts<DemoFlags>();
  const { env, cwd, stdout, stderr } = call.world;
  const out = flags.out === undefined ? undefined : resolve(cwd, flags.out);
  const refusal = out === undefined ? undefined : prepareOutFolder(out);
  if (refusal !== undefined) throw badInput(`--out: ${refusal}`);
  const [output, look] = call.json ? [stderr, call.progressLook] : [stdout, call.look];
  const screen = new Screen(call.quiet ? silent : output, look);
  const project = findProject(env);
  const interruption = interrupting(call);
  let result: DemoResult;
  try {
    result = await runDemo({
      out,
      seed: flags.seed ?? randomInt(2 ** 32),
      screen,
      env,
      project: project.folder,
      signal: interruption.signal,
    });
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    screen.row({ mark: 'cancelled', label: 'stopped', text: 'all that the demo had started is gone' });
    return exitCodes.cancelled;
  } finally {
    interruption[Symbol.dispose]();
  }
  const { event, comparison, left } = result;
  const proof = proofLines(comparison, left, look);
  if (call.quiet && !call.json) call.print(proof);
  screen.lines(['', ...proof, '', ...nextLines(project.program, look)]);
  if (call.json) call.printJson(toJson(event));
  return comparison.unequal.length === 0 && left.length === 0 ? exitCodes.success : exitCodes.failure;
}

/** Aborts at the first Ctrl-C, at a terminal that closes and where the system asks; a second Ctrl-C ends this process at once. */
function interrupting(call: Call): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.cancelled);
    controller.abort(new Error('interrupted'));
  };
  const release = call.world.onInterrupt(stop);
  const signals = ['SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      release();
      for (const name of signals) process.off(name, stop);
    },
  };
}

function seed(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value >= 2 ** 32) throw new InvalidArgumentError('It must be a whole number from 0 to 4294967295.');
  return value;
}
