import { toJson } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { harnessMark, statusWords } from '../daemon/about.ts';
import { ensureDaemon } from '../daemon/ensure.ts';
import { badInput } from '../failure.ts';
import { markOf } from '../terminal/marks.ts';
import { labelled, table } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';

export const harnesses: CommandModule = {
  define(command) {
    command.option('--config <FILE>', 'configuration of the daemon that is started where none runs').addHelpText(
      'after',
      `
Asks each agent for its version now. show ID tells all about one: what its plugin can, its options with their schema, the names of the
variables that it gets, and known limits of the version that was found; no daemon is needed.

Examples:
  singletree harnesses
  singletree harnesses show claude_code
  singletree harnesses show codex --json | jq .options_schema`,
    );
  },

  async run(call, command) {
    const [verb, id, ...more] = command.args;
    const { config } = command.opts<{ config?: string }>();
    if (verb !== undefined) {
      if (verb !== 'show' || more.length > 0)
        throw badInput(`"${verb}" is nothing that harnesses does`, `singletree harnesses show ${id ?? verb}`, 'USAGE');
      if (id === undefined) throw badInput('which harness is missing', 'singletree harnesses lists them', 'USAGE');
      return await (await import('../harness/show.ts')).show(call, id, config);
    }
    await ensureDaemon(call, config);
    const client = await call.client();
    const found = await client.harnesses.list({ refresh: true });
    if (call.json) return call.printJson(found.map(toJson));
    if (call.quiet) return call.print(found.filter(({ status }) => status === 'ready').map(({ id }) => id));
    const rows = found.map(({ id, status, version, supportedVersions, executable, message }) => [
      `${markOf(harnessMark({ status, message }), call.look)} ${id}`,
      statusWords[status],
      version ?? '',
      supportedVersions,
      executable ?? '',
    ]);
    const known = found.flatMap(({ id, message, hint }): [string, string][] => {
      const text = oneLine([message, hint].filter((each) => each !== undefined).join('; '));
      return text === '' ? [] : [[id, text]];
    });
    call.print(
      table(
        call.look,
        [{ head: '  harness' }, { head: 'state' }, { head: 'version' }, { head: 'supported' }, { head: 'executable', least: 16 }],
        rows,
      ),
    );
    // Whole, also on a narrow terminal: a command that is cut mends nothing.
    if (known.length > 0) call.print(['', ...labelled(call.look, known)]);
  },
};
