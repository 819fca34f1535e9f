import { openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { readAddress, statePaths } from '@singletree/core/local';
import type { Daemon } from '@singletree/core';
import { stateFolder, toJson } from '@singletree/sdk';
import type { Call, CommandModule, CommonFlags } from '../call.ts';
import { bindings, harnessesLine, telemetryLine, telemetryLines } from '../daemon/about.ts';
import { answering } from '../daemon/answering.ts';
import { configOf } from '../daemon/ensure.ts';
import { startDetached } from '../daemon/start.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput, CommandFailure } from '../failure.ts';
import { readDuration } from '../input/durations.ts';
import { packageFolder, readVersion } from '../package.ts';
import { labelled } from '../terminal/table.ts';

interface UpFlags {
  readonly detach?: true;
  readonly idle?: string;
  readonly config?: string;
}

export const up: CommandModule = {
  define(command) {
    command
      .option('--detach', 'return when the daemon answers, and leave it running')
      .option('--idle <DURATION>', 'stop after so long without work, such as 15m')
      .option('--config <FILE>', 'configuration (default: $SINGLETREE_CONFIG, ~/.config/singletree/config.yaml)')
      .addHelpText(
        'after',
        `
Prints what it is bound to, and is quiet then. Ctrl-C stops the daemon; the agents live on, and the next daemon takes them over.

Examples:
  singletree up --detach
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 singletree up`,
      );
  },

  async run(call, command) {
    const flags = command.opts<UpFlags>();
    const { world } = call;
    if (command.optsWithGlobals<CommonFlags>().address !== undefined)
      throw badInput(
        '--address names a daemon that runs, but up starts one',
        'listen.tcp in its configuration says where it listens',
        'USAGE',
      );
    const state = resolve(world.cwd, stateFolder(call.target));
    const config = configOf(flags.config, world);
    const idleMs = flags.idle === undefined ? undefined : await readDuration('--idle', flags.idle);
    return flags.detach ? await detach(call, { state, config, idle: flags.idle }) : await stay(call, { state, config, idleMs });
  },
};

/** A daemon that takes connections and answers none is no reason to wait for ever. */
const statusLimitMs = 10_000;

async function detach(call: Call, options: { state: string; config: string | undefined; idle: string | undefined }): Promise<ExitCode> {
  await refuseSecond(options.state);
  const { warnings } = await startDetached({ ...options, env: call.world.env });
  for (const warning of warnings) call.warn(warning);
  const client = await call.clientHere(options.state);
  const status = await client.daemon.status({ timeoutMs: statusLimitMs }).catch((error: unknown) => {
    call.warn('the daemon was started, and goes on; it cannot be asked from here how it is:');
    throw error;
  });
  if (call.json) call.printJson(toJson(status));
  else if (!call.quiet) {
    const { version, pid, harnesses, telemetry } = status;
    const rest = [
      ['harnesses', harnessesLine(harnesses)],
      ...telemetryLines(telemetry).map((line, place) => [place === 0 ? 'telemetry' : '', line] as const),
      ['log', statePaths(options.state).log],
    ] as const;
    call.print([
      `  singletree ${version} · pid ${pid}`,
      '',
      ...labelled(call.look, [...bindings({ ...status, tcp: status.tcpAddress }), ...rest]),
    ]);
  }
  return exitCodes.success;
}

/** Where it can be seen before anything is started, it is said before. The lock of the state folder is what counts. */
async function refuseSecond(state: string): Promise<void> {
  if (!(await answering({ state, env: {} }))) return;
  const running = readAddress(statePaths(state).address);
  throw new CommandFailure(`a daemon runs on the state folder ${state} already${running ? `, with pid ${running.pid}` : ''}`, {
    code: 'failed_precondition',
    reason: 'STATE_FOLDER_IN_USE',
    hint: 'use that one, end it with: singletree down, or name another folder with --state',
    metadata: { path: state, ...(running ? { pid: String(running.pid), address: running.address } : {}) },
  });
}

async function stay(call: Call, options: { state: string; config: string | undefined; idleMs: number | undefined }): Promise<ExitCode> {
  const { runDaemon } = await import('@singletree/core');
  const code = await runDaemon({
    ...options,
    environment: call.world.env,
    resolveFrom: packageFolder,
    logTo: logFile(options.state),
    // For `up --detach`, which reads the log.
    onWarning: (warning) => (call.json ? call.world.stderr.write(`${JSON.stringify({ warning })}\n`) : call.warn(warning)),
    onReady: (daemon) => announce(call, daemon),
  });
  if (code === 0) return exitCodes.success;
  throw new CommandFailure('the daemon had to end: its store can no longer be believed', {
    code: 'internal',
    reason: 'INTERNAL',
    hint: `its log says why: ${statePaths(options.state).log}`,
  });
}

/**
 * The log is opened by its first line: before that, the folder may not be there, or not be ours. A line that finds no room is lost: a full disk is
 * what it would tell of, and the daemon waits for that to pass.
 */
function logFile(state: string): { write(line: string): void } {
  let file: number | undefined;
  let isTorn = false;
  return {
    write(line) {
      const text = isTorn ? `\n${line}` : line;
      try {
        file ??= openSync(statePaths(state).log, 'a', 0o600);
        isTorn = writeSync(file, text) < Buffer.byteLength(text);
      } catch (error) {
        if (!isLack(error)) throw error;
      }
    },
  };
}

function isLack(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes(String(error.code));
}

async function announce(call: Call, daemon: Daemon): Promise<void> {
  const { facts, telemetryTarget } = daemon;
  if (call.quiet) return;
  const client = await call.clientHere(facts.state);
  if (call.json) return call.printJson(toJson(await client.daemon.status()));
  const known = [
    ...bindings(facts),
    ['telemetry', telemetryLine({ endpoint: telemetryTarget })],
    ['log', statePaths(facts.state).log],
  ] as const;
  call.print([`  singletree ${readVersion()} · pid ${facts.pid}`, '', ...labelled(call.look, known)]);
  // Last, because a CLI may take seconds to tell its version.
  call.print(labelled(call.look, [['harnesses', harnessesLine(await client.harnesses.list())]]));
}
