import { nearest } from '@singletree/core/local';
import type { Call, CommandModule } from '../call.ts';
import { badInput } from '../failure.ts';

/** What the verbs of `telemetry` are typed with. */
export interface TelemetryFlags {
  readonly since?: string;
  readonly task?: string;
  readonly dead?: true;
  readonly to?: string;
}

interface Verb {
  readonly usage: string;
  readonly arguments: readonly [least: number, most: number];
  readonly flags: readonly (keyof TelemetryFlags)[];
  readonly run: (call: Call, args: readonly string[], flags: TelemetryFlags) => Promise<void>;
}

const verbs: Readonly<Record<string, Verb>> = {
  preview: {
    usage: 'singletree telemetry preview TASK; - is the newest',
    arguments: [1, 1],
    flags: [],
    run: async (call, args) => await (await import('../telemetry/preview.ts')).preview(call, args),
  },
  send: {
    usage: 'singletree telemetry send --since WHEN, --task TASK or --dead',
    arguments: [0, 0],
    flags: ['since', 'task', 'dead', 'to'],
    run: async (...typed) => await (await import('../telemetry/send.ts')).send(...typed),
  },
};

export const telemetry: CommandModule = {
  define(command) {
    command
      .usage('preview TASK | send [FLAGS]')
      .optionsGroup('Flags of send:')
      .option('--since <WHEN>', 'records of tasks that ended since then: 30d or 12h ago, or a time such as 2026-11-20T08:00Z')
      .option('--task <TASK>', 'the record of this task alone')
      .option('--dead', 'what the receiver refused for good, the same bytes again')
      .option('--to <NAME>', 'to this destination alone, also what others got and it has not')
      .addHelpText(
        'after',
        `
preview prints exactly what leaves the machine about a task that has ended, and sends nothing: what was sent, where that is fixed already, else
what would be sent now, also while export is off. TASK is an id, the beginning of one, or - for the newest.

send puts records into the queue that would never be sent by themselves: those that were kept while export was off, or with --dead those that the
receiver refused. They go to every destination; with --to to one, which then gets all that it has not. It prints how many, when that is on disk; singletree status shows what still waits.

Examples:
  singletree telemetry preview -
  singletree telemetry preview - --json | jq '.spans[].attributes'
  singletree telemetry send --since 30d
  singletree telemetry send --since 7d --to lab
  singletree telemetry send --dead`,
      );
  },

  async run(call, command) {
    const [name = '', ...args] = command.args;
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (!verb) {
      const meant = nearest(name, Object.keys(verbs));
      const hint = meant === undefined ? Object.values(verbs).map(({ usage }) => usage) : [`did you mean ${meant}?`];
      throw badInput(`"${name}" is nothing that telemetry does`, hint.join('\n'), 'USAGE');
    }
    const flags = command.opts<TelemetryFlags>();
    const [least, most] = verb.arguments;
    if (args.length < least) throw badInput(`telemetry ${name}: something is missing`, verb.usage, 'USAGE');
    if (args.length > most) throw badInput(`telemetry ${name}: too many arguments`, verb.usage, 'USAGE');
    const foreign = (['since', 'task', 'dead', 'to'] as const).find((flag) => flags[flag] !== undefined && !verb.flags.includes(flag));
    if (foreign !== undefined) throw badInput(`--${foreign} is no flag of telemetry ${name}`, verb.usage, 'USAGE');
    await verb.run(call, args, flags);
  },
};
