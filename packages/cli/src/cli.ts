import { Command, CommanderError, Help, Option } from 'commander';
import { Call, jsonLine, type CommandModule, type CommonFlags, type World } from './call.ts';
import { exitCodes, type ExitCode } from './exit-codes.ts';
import { badInput, failureFrom, failureJson, failureText, type CommandFailure } from './failure.ts';
import { lookOf, type ColorChoice } from './terminal/look.ts';
import { legend, typeset } from './terminal/marks.ts';
import { wrap } from './terminal/text.ts';

interface Entry {
  /** Name and arguments, as the help shows them. */
  readonly usage: string;
  readonly does: string;
  readonly group?: string;
  readonly load: () => Promise<CommandModule>;
}

/** Every command. What it needs is loaded when it is typed. */
const entries: readonly Entry[] = [
  {
    group: 'Start here',
    usage: 'demo',
    does: 'see it work in a minute, without a key',
    load: async () => (await import('./demo/command.ts')).demo,
  },
  { group: 'Tasks', usage: 'run [PROMPT]', does: 'create a task and watch it', load: async () => (await import('./commands/run.ts')).run },
  { group: 'Tasks', usage: 'ls', does: 'list tasks', load: async () => (await import('./commands/ls.ts')).ls },
  { group: 'Tasks', usage: 'get <TASK>', does: 'show one task', load: async () => (await import('./commands/get.ts')).get },
  {
    group: 'Tasks',
    usage: 'watch [TASK]',
    does: 'follow a task to its end',
    load: async () => (await import('./commands/watch.ts')).watch,
  },
  { group: 'Tasks', usage: 'diff <TASK>', does: 'show what a task changed', load: async () => (await import('./commands/diff.ts')).diff },
  {
    group: 'Tasks',
    usage: 'apply <TASK>',
    does: 'bring what a task changed into your working tree',
    load: async () => (await import('./commands/apply.ts')).apply,
  },
  {
    group: 'Tasks',
    usage: 'logs <TASK>',
    does: 'show what its processes wrote',
    load: async () => (await import('./commands/logs.ts')).logs,
  },
  { group: 'Tasks', usage: 'cancel <TASK>', does: 'ask a task to end', load: async () => (await import('./commands/stop.ts')).cancel },
  {
    group: 'Tasks',
    usage: 'terminate <TASK>',
    does: 'end a task at once',
    load: async () => (await import('./commands/stop.ts')).terminate,
  },
  {
    group: 'Tasks',
    usage: 'unblock <TASK>',
    does: 'let a blocked task go on now',
    load: async () => (await import('./commands/unblock.ts')).unblock,
  },
  {
    group: 'Tasks',
    usage: 'rerun <TASK>',
    does: 'do a finished task again',
    load: async () => (await import('./commands/rerun.ts')).rerun,
  },
  { group: 'Daemon', usage: 'up', does: 'start the daemon', load: async () => (await import('./commands/up.ts')).up },
  { group: 'Daemon', usage: 'down', does: 'stop the daemon', load: async () => (await import('./commands/down.ts')).down },
  {
    group: 'Daemon',
    usage: 'kill-switch <on|off|status>',
    does: 'end everything of a scope, and let nothing start',
    load: async () => (await import('./commands/kill-switch.ts')).killSwitch,
  },
  {
    group: 'Daemon',
    usage: 'status',
    does: 'show what the daemon is and does',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    group: 'Daemon',
    usage: 'harnesses [show] [ID]',
    does: 'list coding agents, and whether they are ready; show one',
    load: async () => (await import('./commands/harnesses.ts')).harnesses,
  },
  {
    group: 'Tool',
    usage: 'harness <decode|record|conformance> [ARGUMENTS...]',
    does: 'tools for whoever writes a harness plugin',
    load: async () => (await import('./commands/harness.ts')).harness,
  },
  {
    group: 'Tool',
    usage: 'prices [MODEL]',
    does: 'show what a model costs, and who says so',
    load: async () => (await import('./commands/prices.ts')).prices,
  },
  {
    group: 'Tool',
    usage: 'completions <export>',
    does: 'write the records of finished tasks as JSON lines or CSV',
    load: async () => (await import('./commands/completions.ts')).completions,
  },
  {
    group: 'Tool',
    usage: 'telemetry <preview|send> [TASK]',
    does: 'show what leaves the machine about a task; send what was kept',
    load: async () => (await import('./commands/telemetry.ts')).telemetry,
  },
  {
    group: 'Tool',
    usage: 'trust [DIR]',
    does: 'let a repository configure the agents that work in it',
    load: async () => (await import('./commands/trust.ts')).trust,
  },
  {
    group: 'Tool',
    usage: 'doctor [telemetry]',
    does: 'look what is wrong, and what mends it',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  { group: 'Tool', usage: 'version', does: 'show the version', load: async () => (await import('./commands/version.ts')).version },
  {
    group: 'Tool',
    usage: 'help [TOPIC]',
    does: 'help for a command, or exit-codes',
    load: async () => (await import('./commands/help.ts')).help,
  },
  // What `singletree` alone says; it has no flags, and whoever types --help need not wait for it to be loaded.
  {
    usage: 'overview',
    does: '',
    load: async () => ({ define() {}, run: async (call, command) => (await import('./commands/overview.ts')).overview.run(call, command) }),
  },
];

/** Runs the command line and gives the exit code. Nothing is thrown: what went wrong is on stderr. */
export async function cli(argv: readonly string[], world: World): Promise<ExitCode> {
  try {
    return await dispatch(argv, world);
  } catch (error) {
    const failure = error instanceof CommanderError ? misuse(error) : failureFrom(error);
    if (!failure) return exitCodes.success;
    const look = lookOf(world.stderr, world.env, colorIn(argv));
    world.stderr.write(asksForJson(argv) ? `${jsonLine(failureJson(failure))}\n` : failureText(failure, look));
    return failure.exitCode;
  }
}

async function dispatch(argv: readonly string[], world: World): Promise<ExitCode> {
  const program = programOf(world, lookOf(world.stdout, world.env, colorIn(argv)));
  const [name] = program.parseOptions([...argv]).operands;
  if (program.opts<{ version?: true }>().version && name === undefined) {
    return dispatch(['version', ...argv.filter((arg) => arg !== '--version' && arg !== '-V')], world);
  }
  const [chosen, command] = await find(program, name);
  const loaded = await chosen.load();
  loaded.define(command.optionsGroup('Flags:'));
  withCommonFlags(command);
  let code: ExitCode = exitCodes.success;
  command.action(async () => {
    // `help COMMAND` is the same as `COMMAND --help`.
    const [topic] = command.args;
    const call = new Call(world, command.optsWithGlobals<CommonFlags>());
    if (name === 'help' && topic !== 'exit-codes') return void (code = await helpOn(topic, world));
    // Node puts it in the place of a byte that is not UTF-8.
    if (argv.some((arg) => arg.includes('\ufffd'))) (await import('./input/argument-bytes.ts')).refuseInvalidFlags(command);
    code = (await loaded.run(call, command)) ?? code;
  });
  await program.parseAsync(name === undefined ? [...argv, 'overview'] : [...argv], { from: 'user' });
  return code;
}

async function helpOn(topic: string | undefined, world: World): Promise<ExitCode> {
  const [, command] = await find(programOf(world, lookOf(world.stdout, world.env)), topic);
  return cli(topic === undefined ? ['--help'] : [command.name(), '--help'], world);
}

/** The entry of a command, and its place in the parser. Without a name it is the overview. */
async function find(program: Command, name: string | undefined): Promise<readonly [Entry, Command]> {
  const known = entries.map(({ usage }) => usage.split(' ')[0] ?? '');
  const at = known.indexOf(name ?? 'overview');
  const [entry, command] = [entries[at], program.commands[at]];
  if (entry && command && name !== 'overview') return [entry, command];
  const { nearest } = await import('@singletree/core/local');
  const meant = nearest(name ?? '', known);
  throw badInput(`unknown command "${name}"`, meant === undefined ? 'singletree help lists the commands' : `did you mean ${meant}?`);
}

function programOf(world: World, look: ReturnType<typeof lookOf>): Command {
  const helpWidth = Math.min(world.stdout.columns || 100, 110);
  const program = withCommonFlags(new Command('singletree'))
    .description('Runs coding-agent tasks, judges what they made, and tells OpenTelemetry about each.')
    .usage('COMMAND [FLAGS]')
    .option('-V, --version', 'show the version')
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(typeset(look, reflowed(text, helpWidth))),
      writeErr: () => {},
      outputError: () => {},
    })
    .configureHelp({ helpWidth })
    .addHelpText(
      'after',
      `\nMarks: ${legend(look).replaceAll(/(?<! ) (?! )/g, unbroken)}\n\nsingletree help COMMAND tells more; singletree help exit-codes lists the exit codes.`,
    );
  for (const { usage, does, group } of entries) {
    const command = program.command(usage, { hidden: group === undefined }).description(does);
    command.usage(['[FLAGS]', ...usage.split(' ').slice(1)].join(' '));
    if (group !== undefined) command.helpGroup(`${group}:`);
  }
  return program.configureHelp({ ...program.configureHelp(), formatHelp: commandsFirst });
}

/** A space at which no line is broken. */
const unbroken = '\u00a0';

/** Paragraphs are as wide as the lists beside them; what is indented is a list, an example or a table, and stays as it is. */
function reflowed(text: string, width: number): string {
  return text.replaceAll(/^(?:\S.*(?:\n(?=\S))?)+/gm, (paragraph) =>
    wrap(paragraph.replaceAll('\n', ' '), width)
      .map((line) => line.replaceAll(unbroken, ' ').trimEnd())
      .join('\n'),
  );
}

/** The help of the whole: its flags, which every command has, come last. */
function commandsFirst(command: Command, helper: Help): string {
  const blocks = Help.prototype.formatHelp.call(helper, command, helper).trimEnd().split('\n\n');
  const isFlags = (block: string): boolean => block.startsWith('Common flags:');
  return `${[...blocks.filter((block) => !isFlags(block)), ...blocks.filter(isFlags)].join('\n\n')}\n`;
}

function withCommonFlags(command: Command): Command {
  const flags = [
    new Option('--json', 'print results, and errors, as JSON'),
    new Option('--quiet', 'print results alone'),
    new Option('--state <DIR>', "the daemon's state folder (default: $SINGLETREE_STATE, ~/.local/state/singletree)"),
    new Option('--address <URL>', 'its address: unix:/path/to/socket, http://127.0.0.1:PORT or https://HOST:PORT ($SINGLETREE_ADDRESS)'),
    new Option(
      '--token-file <FILE>',
      'holds the token that it asks for over TCP (default: $SINGLETREE_TOKEN, else its own on this machine)',
    ),
    new Option('--ca-file <FILE>', 'authority that vouches for its certificate, as PEM ($SINGLETREE_CA_FILE)'),
    new Option('--color <WHEN>', 'whether to use colours').choices(['auto', 'always', 'never']),
  ];
  command.optionsGroup('Common flags:');
  for (const flag of flags) command.addOption(flag);
  return command.helpOption('-h, --help', 'show help');
}

/** What the parser refused, in our words. Help that was asked for is no failure. */
function misuse({ code, message }: CommanderError): CommandFailure | undefined {
  if (code === 'commander.helpDisplayed' || code === 'commander.help') return undefined;
  const [what = '', suggestion] = message.replace(/^error: /, '').split('\n(');
  const meant = suggestion && `${suggestion.slice(0, 1).toLowerCase()}${suggestion.slice(1).replace(/\)$/, '')}`;
  const isPrompt = code === 'commander.excessArguments' && what.includes("'run'");
  return badInput(what.replace(/\.$/, ''), meant ?? (isPrompt ? 'put a prompt of several words in quotes' : usageHints[code]), 'USAGE');
}

const usageHints: Readonly<Record<string, string>> = {
  'commander.excessArguments': '--help shows what it takes',
  'commander.missingArgument': '--help shows what it takes',
  'commander.unknownOption': '--help lists the flags; a prompt that begins with - comes after --',
};

/** Before anything is parsed: what follows `--` is no flag of ours. */
function flagsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return end < 0 ? argv : argv.slice(0, end);
}

function asksForJson(argv: readonly string[]): boolean {
  return flagsOf(argv).includes('--json');
}

function colorIn(argv: readonly string[]): ColorChoice | undefined {
  const flags = flagsOf(argv);
  const value = flags.includes('--color')
    ? flags[flags.indexOf('--color') + 1]
    : flags.find((flag) => flag.startsWith('--color='))?.slice(8);
  return value === 'always' || value === 'never' ? value : undefined;
}
