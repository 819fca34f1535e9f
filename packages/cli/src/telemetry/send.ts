import type { Call } from '../call.ts';
import type { TelemetryFlags } from '../commands/telemetry.ts';
import { badInput } from '../failure.ts';
import { momentOf } from '../input/moment.ts';
import { taskIdOf } from '../task-argument.ts';
import { plural } from '../terminal/figures.ts';

/** Sends what would never be sent by itself. */
export async function send(call: Call, _: readonly string[], { since, task, dead, to }: TelemetryFlags): Promise<void> {
  if (since === undefined && task === undefined && !dead) {
    throw badInput('telemetry send: what?', 'say since when (--since 30d), of which task (--task TASK), or --dead', 'USAGE');
  }
  const which = {
    ...(since === undefined ? {} : { since: momentOf('--since', since, Date.now()) }),
    ...(dead ? { dead } : {}),
    ...(to === undefined ? {} : { to }),
  };
  const client = await call.client();
  const rows = await client.telemetry.send({ ...which, ...(task === undefined ? {} : { taskId: await taskIdOf(task, client) }) });
  if (call.json) call.printJson({ rows });
  else call.print([call.quiet ? String(rows) : `${plural(rows, 'record')} put into the queue`]);
  if (!call.json && rows > 0) call.next([['singletree status', 'shows what is still to be delivered']]);
}
