import { nearest } from '@singletree/core/local';
import type { Call, CommandModule } from '../call.ts';
import { badInput } from '../failure.ts';

interface Verb {
  readonly usage: string;
  readonly run: (call: Call, task: string | undefined) => Promise<void>;
}

const verbs: Readonly<Record<string, Verb>> = {
  preview: {
    usage: 'singletree telemetry preview TASK',
    run: async (...typed) => await (await import('../telemetry/preview.ts')).preview(...typed),
  },
};

export const telemetry: CommandModule = {
  define(command) {
    command.usage('preview TASK').addHelpText(
      'after',
      `
preview prints exactly what leaves the machine about a task that has ended, and sends nothing: what was sent, where that is fixed already, else
what would be sent now, also while export is off. TASK is an id, the beginning of one, or - for the newest.

Examples:
  singletree telemetry preview -
  singletree telemetry preview - --json | jq '.spans[].attributes'`,
    );
  },

  async run(call, command) {
    const [name = '', task, ...more] = command.args;
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (!verb) {
      const meant = nearest(name, Object.keys(verbs));
      const hint = meant === undefined ? Object.values(verbs).map(({ usage }) => usage) : [`did you mean ${meant}?`];
      throw badInput(`"${name}" is nothing that telemetry does`, hint.join('\n'), 'USAGE');
    }
    if (more.length > 0) throw badInput(`telemetry ${name}: too many arguments`, verb.usage, 'USAGE');
    await verb.run(call, task);
  },
};
