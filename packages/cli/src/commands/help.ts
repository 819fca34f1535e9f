import type { CommandModule } from '../call.ts';
import { exitCodeHelp } from '../exit-codes.ts';

export const help: CommandModule = {
  define(command) {
    command.addHelpText('after', '\nExamples:\n  singletree help run\n  singletree help exit-codes');
  },
  async run(call) {
    if (call.json) call.printJson(exitCodeHelp.map(([code, meaning]) => ({ code, meaning })));
    else call.print(['Exit codes', '', ...exitCodeHelp.map(([code, meaning]) => `  ${String(code).padStart(3)}   ${meaning}`)]);
  },
};
