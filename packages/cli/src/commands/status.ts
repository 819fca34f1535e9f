import { statePaths } from '@singletree/core/local';
import { toJson, type DaemonStatus } from '@singletree/sdk';
import type { CommandModule } from '../call.ts';
import { bindings, harnessesLine, telemetryLines } from '../daemon/about.ts';
import { age, facts } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { paint } from '../terminal/marks.ts';
import { labelled } from '../terminal/table.ts';

export const status: CommandModule = {
  define(command) {
    command.addHelpText('after', '\nExamples:\n  singletree status\n  singletree status --json | jq .tasks.in_progress');
  },

  async run(call) {
    const client = await call.client();
    const found = await client.daemon.status();
    if (call.json) call.printJson(toJson(found));
    else call.print(statusLines(found, call.look, Date.now()));
  },
};

export function statusLines(status: DaemonStatus, look: Look, now: number): string[] {
  const { version, pid, startedAt, killSwitch, harnesses, telemetry } = status;
  return [
    `  singletree ${version} · pid ${pid} · up ${age(now - startedAt.getTime())}`,
    '',
    ...labelled(look, [
      ['tasks', tasksLine(status)],
      ...killSwitch.map(({ scope, why }): [string, string] => ['kill switch', facts(scope, why)]),
      ['harnesses', harnessesLine(harnesses)],
      ...telemetryLines(telemetry).map((line, place): [string, string] => [
        place === 0 ? 'telemetry' : '',
        / (PAUSED|FULL): /.test(line) ? paint(look, 'red', line) : line,
      ]),
      ...bindings({ ...status, tcp: status.tcpAddress }),
      ['log', statePaths(status.state).log],
    ]),
  ];
}

/** `1 of 4 running · 3 waiting · 12 completed · 1 failed` */
function tasksLine({ tasks, concurrencyLimit }: DaemonStatus): string {
  const amount = (...states: readonly string[]): number => states.reduce((sum, state) => sum + (tasks[state] ?? 0), 0);
  const told = (count: number, word: string): string | undefined => (count === 0 ? undefined : `${count} ${word}`);
  return facts(
    `${amount('in_progress', 'in_review')} of ${concurrencyLimit} running`,
    told(amount('created', 'assigned'), 'waiting'),
    told(amount('blocked'), 'blocked'),
    told(amount('completed'), 'completed'),
    told(amount('failed'), 'failed'),
    told(amount('cancelled'), 'cancelled'),
  );
}
