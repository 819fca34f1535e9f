import { RefusedAttempt, type AttemptContext, type Command, type HarnessSettings } from '@singletree/harness';
import { apiKeyVariable, configurationOf, ownPlugins } from './configuration.ts';
import type { OpenCodeOptions } from './options.ts';
import { startEnvironment } from './start-variables.ts';
import { telemetryVariables } from './own-traces.ts';

/** Flags that decide how the CLI is driven and read, or where it works. Another value for one of them would break the attempt or its account. */
const ownFlags: ReadonlySet<string> = new Set([
  '--format',
  '--print-logs',
  '--log-level',
  '-m',
  '--model',
  '--variant',
  '--agent',
  '-s',
  '--session',
  '-c',
  '--continue',
  '--fork',
  '--title',
  '--auto',
  '--command',
  '--dir',
  '--attach',
  '--port',
  '-i',
  '--interactive',
  '--share',
  '-h',
  '--help',
  '-v',
  '--version',
  '--',
]);

/**
 * `run` reads the prompt from standard input, byte for byte but for a byte order mark at its very beginning. A fixed title saves the call by
 * which the CLI would think of one, whose tokens it counts nowhere. What it logs of itself goes into the same log: only there it tells its
 * models, its sub-agents and what it tries again.
 */
export function command(attempt: AttemptContext, settings: HarnessSettings<OpenCodeOptions>): Command {
  refuseOwnArguments(settings.args);
  const hasOwnPlugins = ownPlugins(attempt).length > 0;
  if (hasOwnPlugins && settings.args.some((arg) => flagOf(arg) === '--pure')) {
    throw new RefusedAttempt(
      'args: --pure keeps out what holds back the plugins of a repository that is not trusted, what counts each call of a task with a limit, and what keeps its log from being sent along with its traces',
    );
  }
  const { agent, effort } = settings.options;
  const model = attempt.model ?? settings.model;
  return {
    file: settings.executable,
    args: [
      'run',
      '--format',
      'json',
      '--print-logs',
      '--log-level',
      'INFO',
      '--agent',
      agent,
      ...(model === undefined ? [] : ['--model', model]),
      ...(effort === undefined ? [] : ['--variant', effort]),
      ...(attempt.session.kind === 'resume' ? ['--session', attempt.session.id] : ['--title', 'singletree']),
      ...settings.args,
    ],
    env: {
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      ...(attempt.trusted ? {} : { OPENCODE_DISABLE_PROJECT_CONFIG: '1' }),
      ...(hasOwnPlugins ? startEnvironment : {}),
      ...telemetryVariables(attempt.telemetry),
      OPENCODE_CONFIG_CONTENT: JSON.stringify(configurationOf(attempt, model, settings)),
    },
    apiKeyVariable,
    stdin: attempt.prompt,
    oneOutput: true,
  };
}

/** Words that follow no flag would be a second prompt. */
function refuseOwnArguments(args: readonly string[]): void {
  args.forEach((arg, at) => {
    if (arg.startsWith('-')) {
      const flag = flagOf(arg);
      if (ownFlags.has(flag)) throw new RefusedAttempt(`args: ${flag} is set by Singletree itself; use its own keys and options`);
      return;
    }
    const before = args[at - 1];
    if (before === undefined || !before.startsWith('-') || before.includes('=')) {
      throw new RefusedAttempt(`args: "${arg}" is no flag, and follows none that could take it: the CLI would take it for a prompt`);
    }
  });
}

/** `-mX` as `-m`, `--logLevel=X` and `--no-log-level` as `--log-level`: the CLI takes all of them. */
function flagOf(arg: string): string {
  if (!arg.startsWith('--')) return arg.slice(0, 2);
  const [name = arg] = arg.split('=', 1);
  return name.replace(/^--no-/, '--').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
