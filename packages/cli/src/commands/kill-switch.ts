import { resolve } from 'node:path';
import { toJson, type EngagedKillSwitch, type KillSwitch } from '@singletree/sdk';
import { Option } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { shortId, shortIds } from '../task-argument.ts';
import { age, facts, plural } from '../terminal/figures.ts';
import { agentReads, type Look } from '../terminal/look.ts';
import { markOf } from '../terminal/marks.ts';
import { labelled } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';

interface KillSwitchFlags {
  readonly scope: string;
  readonly reason?: string;
  readonly yesFromAgent?: true;
}

const actions: Readonly<Record<string, (call: Call, flags: KillSwitchFlags) => Promise<ExitCode | void>>> = { on, off, status };

export const killSwitch: CommandModule = {
  define(command) {
    command
      .option('--scope <SCOPE>', 'what to stop: all, harness=ID, model=NAME, workspace=DIR, label=KEY, label=KEY=VALUE', 'all')
      .option('--reason <TEXT>', 'why, kept with the switch and with each task that it ends')
      .addOption(new Option('--yes-from-agent', 'a coding agent may take the switch back'))
      .addHelpText(
        'after',
        `
on ends every task of the scope that has been dispatched, with all of its processes, and lets no other one start; tasks in the queue wait.
Returns when nothing of them is left, else with 1 and what is. The switch stays, also when the daemon is started again, until off is typed
with the same scope. A directory stands for everything below it.

Examples:
  singletree kill-switch on --reason "the bill"
  singletree kill-switch on --scope workspace=.
  singletree kill-switch off`,
      );
  },

  async run(call, command) {
    const [name = ''] = command.args;
    const act = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (!act) throw badInput(`"${name}" is nothing that a kill switch does`, 'singletree kill-switch on, off or status', 'USAGE');
    const { scope, ...flags } = command.opts<KillSwitchFlags>();
    return await act(call, { ...flags, scope: absolute(scope, call) });
  },
};

/** The daemon does not know where the person stands. */
function absolute(scope: string, call: Call): string {
  const prefix = 'workspace=';
  return scope.startsWith(prefix) && scope !== prefix ? prefix + resolve(call.world.cwd, scope.slice(prefix.length)) : scope;
}

async function on(call: Call, { scope, reason }: KillSwitchFlags): Promise<ExitCode> {
  const client = await call.client();
  const engaged = await client.killSwitch.engage(scope, { by: call.world.env['USER'] ?? 'singletree kill-switch', why: reason });
  if (call.json) call.printJson(toJson(engaged));
  else call.print(call.quiet ? engaged.taskIds : engagedLines(engaged, call.look));
  if (!call.json && engaged.complete) call.next([[offCommand(engaged.killSwitch.scope), 'lets tasks of this scope start again']]);
  return engaged.complete ? exitCodes.success : exitCodes.failure;
}

/** What the switch has done, and what it could not do. */
export function engagedLines({ killSwitch: { scope, why }, taskIds, complete, survivors }: EngagedKillSwitch, look: Look): string[] {
  const ids = [...shortIds(taskIds).values()];
  return [
    `${markOf(complete ? 'success' : 'failure', look)} kill switch ${facts(`${oneLine(scope)} is on`, why && oneLine(why))}`,
    ...labelled(look, [
      ['ended', taskIds.length === 0 ? 'nothing was running' : `${plural(taskIds.length, 'task')}: ${ids.join(' ')}`],
      ...survivors.map(({ pid, command, taskId }): [string, string] => [
        'still there',
        `pid ${pid}${command === undefined ? '' : ` (${oneLine(command)})`} of task ${shortId(taskId)}`,
      ]),
      ['not yet', complete || survivors.length > 0 ? undefined : 'not every process has its ending; the same once more waits again'],
    ]),
  ];
}

async function off(call: Call, { scope, yesFromAgent }: KillSwitchFlags): Promise<void> {
  if (agentReads(call.world.env) && !yesFromAgent) {
    throw badInput(
      'an agent may throw a kill switch, not take it back',
      'a person types this; or say that one has agreed, with --yes-from-agent',
      'NEEDS_A_PERSON',
    );
  }
  const client = await call.client();
  const answer = await client.killSwitch.release(scope);
  if (call.json) return call.printJson(toJson(answer));
  call.print([answer.released ? `kill switch ${oneLine(scope)} is off` : `kill switch ${oneLine(scope)} was not on`]);
  if (answer.killSwitches.length > 0) call.note(`still on: ${answer.killSwitches.map((each) => each.scope).join(', ')}`);
}

async function status(call: Call): Promise<void> {
  const client = await call.client();
  const thrown = await client.killSwitch.list();
  if (call.json) return call.printJson({ kill_switches: thrown.map((each) => toJson(each)) });
  if (thrown.length === 0) return call.note('no kill switch is on');
  call.print(thrown.map((each) => statusLine(each, Date.now())));
}

function statusLine({ scope, by, why, at }: KillSwitch, now: number): string {
  return facts(oneLine(scope), by && `by ${oneLine(by)}`, `${age(now - at.getTime())} ago`, why && oneLine(why));
}

function offCommand(scope: string): string {
  if (scope === 'all') return 'singletree kill-switch off';
  return `singletree kill-switch off --scope ${/^[\w=/.@:+-]+$/.test(scope) ? scope : `'${scope.replaceAll("'", `'\\''`)}'`}`;
}
