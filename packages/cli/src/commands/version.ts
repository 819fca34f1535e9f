import type { CommandModule } from '../call.ts';
import { readVersion } from '../package.ts';

export const version: CommandModule = {
  define(command) {
    command.addHelpText('after', '\nExample:\n  singletree version --json');
  },
  async run(call) {
    const { platform, arch, version: node } = process;
    const own = readVersion();
    if (call.json) call.printJson({ version: own, node: node.slice(1), platform, arch });
    else call.print([call.quiet ? own : `singletree ${own} (node ${node.slice(1)}, ${platform} ${arch})`]);
  },
};
