import { nearest } from '@singletree/core/local';
import { Option } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import type { ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { wholeNumber } from '../input/numbers.ts';

/** What the verbs of `harness` are typed with; each has its own. */
export interface HarnessFlags {
  readonly config?: string;
  readonly stderr?: string;
  readonly sessionFile?: readonly string[];
  readonly session?: string;
  readonly baseline?: string;
  readonly exit?: string;
  readonly summary?: true;
  readonly fixtures?: string;
  readonly thorough?: true;
  readonly seed?: number;
  readonly lines?: number;
  readonly caseLimit?: number;
  readonly zerosLeftOut?: true;
  readonly out?: string;
  readonly attempt?: number;
  readonly name?: string;
}

interface Verb {
  readonly usage: string;
  readonly arguments: readonly [least: number, most: number];
  readonly flags: readonly (keyof HarnessFlags)[];
  readonly run: (call: Call, args: readonly string[], flags: HarnessFlags) => Promise<ExitCode | void>;
}

const verbs: Readonly<Record<string, Verb>> = {
  decode: {
    usage: 'singletree harness decode ID [FILE]',
    arguments: [1, 2],
    flags: ['config', 'stderr', 'sessionFile', 'session', 'baseline', 'exit', 'summary'],
    run: async (...typed) => await (await import('../harness/decode-command.ts')).decode(...typed),
  },
  record: {
    usage: 'singletree harness record TASK --out DIR',
    arguments: [1, 1],
    flags: ['config', 'out', 'attempt', 'name'],
    run: async (...typed) => await (await import('../harness/record-command.ts')).record(...typed),
  },
  conformance: {
    usage: 'singletree harness conformance PACKAGE',
    arguments: [1, 1],
    flags: ['fixtures', 'thorough', 'seed', 'lines', 'caseLimit', 'zerosLeftOut'],
    run: async (...typed) => await (await import('../harness/conformance-command.ts')).conformance(...typed),
  },
};

const several = (value: string, before: readonly string[] | undefined): string[] => [...(before ?? []), value];

export const harness: CommandModule = {
  define(command) {
    command
      .usage('decode ID [FILE] | record TASK --out DIR | conformance PACKAGE [FLAGS]')
      .optionsGroup('Flags of decode:')
      .option('--summary', 'what it all comes to, instead of the events')
      .option('--stderr <FILE>', 'what went to standard error')
      .option('--session-file <FILE>', 'a file that the CLI keeps of the session; may be repeated', several)
      .option('--session <ID>', 'the session, where the output does not tell it')
      .option('--baseline <FILE>', 'what the session had used before, as the plugin told it then')
      .option('--exit <CODE|SIGNAL>', 'how the process ended, for an output without a last word')
      .option('--config <FILE>', 'configuration (default: $SINGLETREE_CONFIG, ~/.config/singletree/config.yaml); of record too')
      .optionsGroup('Flags of record:')
      .option('--out <DIR>', 'folder of fixtures')
      .addOption(new Option('--attempt <N>', 'which attempt (default: the first)').argParser(wholeNumber(1, 2 ** 31 - 1)))
      .option('--name <NAME>', 'what the fixture shows')
      .optionsGroup('Flags of conformance:')
      .option('--fixtures <DIR>', "recordings (default: fixtures, in the package's folder)")
      .option('--thorough', 'split at every byte, and a million changed lines: many minutes')
      .addOption(new Option('--seed <N>', 'decides every random choice').argParser(wholeNumber(0, 2 ** 32 - 1)))
      .addOption(
        new Option('--lines <N>', 'how many lines are changed at random (default: 20000; with --thorough: a million)').argParser(
          wholeNumber(1, 2 ** 31 - 1),
        ),
      )
      .option('--zeros-left-out', 'the CLI leaves away what is 0: then a figure that is not there is known')
      .addOption(
        new Option('--case-limit <SECONDS>', 'longest time for one case (default: 120; with --thorough: four hours)').argParser(
          wholeNumber(1, 2_000_000),
        ),
      )
      .addHelpText(
        'after',
        `
decode reads what a harness printed, from FILE or standard input, with the decoder of its plugin, and prints the events; with --summary what
they come to. No daemon is needed. record makes a fixture from an attempt that has ended. conformance tries a plugin, a package or the path of
a module, and ends with 1 if it breaks a rule. How to write a plugin: docs/harnesses/README.md

Examples:
  singletree logs - --agent | singletree harness decode claude_code --summary --json
  singletree harness record - --out fixtures --name success-with-edit
  singletree harness conformance ./singletree-harness-mine`,
      );
  },

  async run(call, command) {
    const [name = '', ...args] = command.args;
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (!verb) {
      const meant = nearest(name, Object.keys(verbs));
      const hint = meant === undefined ? Object.values(verbs).map(({ usage }) => usage) : [`did you mean ${meant}?`];
      throw badInput(`"${name}" is nothing that harness does`, hint.join('\n'), 'USAGE');
    }
    const flags = command.opts<HarnessFlags>();
    const [least, most] = verb.arguments;
    if (args.length < least || args.length > most) {
      throw badInput(
        args.length < least ? `harness ${name}: something is missing` : `harness ${name}: too many arguments`,
        verb.usage,
        'USAGE',
      );
    }
    const own: readonly string[] = verb.flags;
    const known = new Set(Object.values(verbs).flatMap((each): readonly string[] => each.flags));
    const foreign = Object.keys(flags).find((flag) => known.has(flag) && !own.includes(flag));
    if (foreign !== undefined) {
      const typed = foreign.replaceAll(/[A-Z]/g, (sign) => `-${sign.toLowerCase()}`);
      throw badInput(`--${typed} is no flag of harness ${name}`, verb.usage, 'USAGE');
    }
    return await verb.run(call, args, flags);
  },
};
