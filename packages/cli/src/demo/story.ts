import type { DaemonStatus, Task, TaskCompletionEvent, TaskEvent } from '@singletree/sdk';
import type { ModelServer, OtlpReceiver, OtlpRequest, Repository } from '@singletree/testing';
import { duration, exact, facts } from '../terminal/figures.ts';
import { oneLine } from '../terminal/text.ts';
import { completionRow } from '../terminal/completion.ts';
import { Progress } from '../terminal/progress.ts';
import type { Screen } from '../terminal/screen.ts';
import type { DemoDaemon } from './demo-daemon.ts';
import type { DemoFolder } from './demo-folder.ts';
import { EventLog } from './event-log.ts';
import { DemoFailure, during, untilTrue } from './failure.ts';
import { isAlive } from './process-identity.ts';
import { coverage, readAgentFiles } from './recorded.ts';
import { holds, task as asked } from './scenario.ts';

export interface Cast {
  readonly folder: DemoFolder;
  readonly repository: Repository;
  readonly daemon: DemoDaemon;
  readonly models: ModelServer;
  /** Drops the acknowledgement of the first request that it takes. */
  readonly receiver: OtlpReceiver;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

/** The attempt in which the daemon is killed. */
const second = 2;

/** Plays the four parts with a real agent and a real daemon, and throws `DemoFailure` where one of them does not come out as promised. */
export async function play(cast: Cast): Promise<TaskCompletionEvent> {
  const { daemon, signal } = cast;
  await during('starting the daemon', () => daemon.start(), signal);
  const task = await during('creating the task', () => daemon.client.tasks.create({ ...asked, workspace: cast.repository.path }), signal);
  cast.screen.heading(
    oneLine(task.title),
    facts(`task ${task.id.slice(0, 13)}`, task.workspace.mode, `permissions: ${task.permissions} (throw-away repository)`),
  );
  const events = watch(task, cast);
  await during('judging a wrong claim', () => disbelieve(events), signal);
  await during('killing the daemon', () => killAndAdopt(task, events, cast), signal);
  await during('taking the receiver away', () => takeAwayReceiver(cast), signal);
  const { completed } = await during('finishing the task', () => events.first('completed'), signal);
  if (completed.outcome !== 'success')
    throw new DemoFailure(`the task ended with ${completed.outcome}: ${completed.failure?.message ?? ''}`);
  await during('looking for lost output', () => loseNothing(task, events, cast), signal);
  await during('delivering the completion event', () => deliver(cast), signal);
  return completed;
}

/** Follows the task across the death of its daemon, and shows what happens. */
function watch(task: Task, { daemon, screen, signal }: Cast): EventLog {
  const events = new EventLog();
  const progress = new Progress(screen);
  const follow = async (): Promise<void> => {
    for await (const event of daemon.client.tasks.watch(task.id, { signal })) {
      if (isRework(event))
        progress.row({ mark: 'rework', label: 'rework', text: 'the agent was wrong: sent back with the finding, same session' });
      // The adoption is told with its proof.
      else if (event.kind !== 'adopted') progress.apply(event);
      if (event.kind === 'completed') screen.row(completionRow(event.completed));
      events.add(event);
    }
    const { completed } = await events.first('completed');
    throw new DemoFailure(`the task has ended already: ${completed.outcome}, ${completed.failure?.message ?? 'without a failure'}`);
  };
  follow().catch((reason: unknown) => events.end(reason));
  return events;
}

function isRework(event: TaskEvent): boolean {
  return event.kind === 'state_changed' && event.stateChanged.edge === 'rework';
}

/** Part 1: the agent claims success and exits 0; the gate says otherwise; the finding goes back into the same session. */
async function disbelieve(events: EventLog): Promise<void> {
  const { gateFinished } = await events.first('gate_finished', ({ attempt }) => attempt === 1);
  if (gateFinished.status !== 'failed')
    throw new DemoFailure(`the gate ${gateFinished.name} ${gateFinished.status}; it was to fail: ${gateFinished.message ?? ''}`);
  const { attemptStarted } = await events.first('attempt_started', ({ attempt }) => attempt === second);
  if (!attemptStarted.resumed) throw new DemoFailure('the second attempt began a new session instead of going on in that of the first');
}

/** Part 2: kill -9 while the agent works; it works on; the next daemon adopts it. */
async function killAndAdopt(task: Task, events: EventLog, { daemon, folder, models, screen, signal }: Cast): Promise<void> {
  const files = (): ReturnType<typeof readAgentFiles> => readAgentFiles(folder.processes, task.id, second);
  await events.orEnd(models.arrived(holds.whileKilled));
  const killed = daemon.pid;
  await daemon.kill();
  const before = files();
  screen.row({ mark: 'warning', label: 'kill -9', text: `daemon ${killed} is gone; the agent (${before.agent.pid}) works on` });
  models.release(holds.whileKilled);
  await events.orEnd(models.arrived(holds.untilAdopted));
  const unwatched = files().lengths.stdout - before.lengths.stdout;
  screen.row({ mark: 'warning', label: 'unwatched', text: `${exact(unwatched)} bytes written while nobody read` });

  const restarted = performance.now();
  const row = screen.open({ mark: 'in_progress', label: 'daemon', text: 'is started again' });
  await daemon.start();
  await events.first('adopted', ({ attempt }) => attempt === second);
  const took = performance.now() - restarted;
  // The agent waits for the model, so its log is at rest.
  const isRecorded = (): boolean => missing(task, events, folder, second).lost === 0;
  await untilTrue(isRecorded, { what: 'the new daemon to record what was written', timeoutMs: 10_000 }, signal);
  const { lost, excess } = missing(task, events, folder, second);
  const after = files();
  const { supervisor, deadline } = after;
  if (!isAlive(before.agent) || !isAlive(before.supervisor) || supervisor.pid !== before.supervisor.pid)
    throw new DemoFailure(`agent ${before.agent.pid} under supervisor ${before.supervisor.pid} did not survive`);
  if (lost + excess > 0) throw new DemoFailure(`${lost} bytes of the agent's output were lost, ${excess} recorded twice`);
  if (deadline === undefined || deadline !== before.deadline) throw new DemoFailure('the time limit is not what it was before');
  row.settle({
    mark: 'success',
    label: 'adopted',
    text: facts(`in ${duration(took)}`, 'the same attempt', `${lost} bytes lost`, 'deadline still armed'),
    details: [
      `by daemon ${daemon.pid}`,
      `supervisor ${supervisor.pid} outlived daemon ${killed} and ends the agent in ${duration(deadline - Date.now())}`,
    ],
  });
}

async function takeAwayReceiver({ receiver, models, screen }: Cast): Promise<void> {
  await receiver.close();
  screen.row({ mark: 'warning', label: 'receiver', text: 'taken away: nobody takes telemetry now' });
  models.release(holds.untilAdopted);
}

/** Part 3: the event could not be sent; the receiver is back, and keeps the first acknowledgement to itself. */
async function deliver({ daemon, receiver, screen, signal }: Cast): Promise<void> {
  const open = screen.open({ mark: 'in_progress', label: 'delivering', text: 'the receiver is away; the event waits on disk' });
  const limits = { timeoutMs: 30_000, everyMs: 50 };
  const telemetry = async (): Promise<DaemonStatus['telemetry']> => (await daemon.client.daemon.status({ signal })).telemetry;
  await untilTrue(async () => (await telemetry()).lastError !== undefined, { what: 'the first try to send to fail', ...limits }, signal);
  await receiver.reopen();
  await untilTrue(async () => (await telemetry()).undeliveredRows === 0, { what: 'the event to be delivered', ...limits }, signal);
  const [dropped, again, ...more] = receiver.requests;
  if (!dropped || !again || more.length > 0 || dropped.acknowledged || !again.acknowledged)
    throw new DemoFailure(
      `expected one request without and one with acknowledgement; got ${receiver.requests.map(outline).join(', ') || 'none'}`,
    );
  if (!Buffer.from(dropped.body).equals(again.body))
    throw new DemoFailure(`what came again is not what came first: ${outline(dropped)}, ${outline(again)}`);
  open.settle({
    mark: 'success',
    label: 'delivered',
    text: 'receiver back · first acknowledgement dropped on purpose',
    details: [`the same ${exact(again.body.byteLength)} bytes came again, byte for byte`],
  });
}

function outline({ path, body, acknowledged }: OtlpRequest): string {
  return `${path}, ${body.byteLength} bytes, ${acknowledged ? 'acknowledged' : 'not acknowledged'}`;
}

/** What the daemons recorded of every attempt's output, against the logs as they are now. */
async function loseNothing(task: Task, events: EventLog, { folder }: Cast): Promise<void> {
  for (const attempt of [1, second]) {
    const { lost, excess } = missing(task, events, folder, attempt);
    if (lost + excess > 0) throw new DemoFailure(`of attempt ${attempt}'s output ${lost} bytes were lost, ${excess} recorded twice`);
  }
}

function missing(task: Task, events: EventLog, folder: DemoFolder, attempt: number): ReturnType<typeof coverage> {
  const { lengths } = readAgentFiles(folder.processes, task.id, attempt);
  const [stdout, stderr] = (['stdout', 'stderr'] as const).map((source) => coverage(events.all, attempt, source, lengths[source]));
  return { lost: (stdout?.lost ?? 0) + (stderr?.lost ?? 0), excess: (stdout?.excess ?? 0) + (stderr?.excess ?? 0) };
}
