import { toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { statusWords } from '../daemon/about.ts';
import { ensureDaemon } from '../daemon/ensure.ts';
import { markOf } from '../terminal/marks.ts';
import { table } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';

export const harnesses: CommandModule = {
  define(command) {
    command
      .option('--config <FILE>', 'configuration of the daemon that is started where none runs')
      .addHelpText('after', '\nAsks each agent for its version now.\n\nExample:\n  singletree harnesses');
  },

  async run(call, command) {
    await ensureDaemon(call, command.opts<{ config?: string }>().config);
    const client = await call.client();
    const found = await client.harnesses.list({ refresh: true });
    if (call.json) return call.printJson(found.map(toJson));
    if (call.quiet) return call.print(found.filter(({ status }) => status === 'ready').map(({ id }) => id));
    const rows = found.map(({ id, status, version, executable, message, hint }) => [
      `${markOf(status === 'ready' ? 'success' : 'failure', call.look)} ${id}`,
      statusWords[status],
      version ?? '',
      executable ?? '',
      oneLine([message, hint].filter((text) => text !== undefined).join('; ')),
    ]);
    call.print(
      table(
        call.look,
        [{ head: '  harness' }, { head: 'state' }, { head: 'version' }, { head: 'executable' }, { head: 'what to do', least: 8 }],
        rows,
      ),
    );
  },
};
