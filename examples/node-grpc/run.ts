/** Runs one task to its end: node run.ts WORKSPACE INSTRUCTIONS [SECONDS]. After so many seconds the task is cancelled. */
import { randomUUID } from 'node:crypto';
import { toJsonString } from '@bufbuild/protobuf';
import { status, type Deadline } from '@grpc/grpc-js';
import { Outcome, TaskCompletionEventSchema, TaskService, type TaskCompletionEvent, type TaskEvent } from '@singletree/protocol';
import { DaemonClient, isServiceError, refusal, watch } from './client.ts';
import { findDaemon } from './daemon.ts';

const { createTask, cancelTask } = TaskService.method;
const within = (seconds: number): Deadline => Date.now() + seconds * 1_000;

async function run(path: string, instructions: string, seconds: number): Promise<TaskCompletionEvent> {
  using client = new DaemonClient(findDaemon());
  const { task } = await client.call(createTask, { requestId: randomUUID(), instructions, workspace: { path } }, within(10));
  const taskId = task?.id ?? '';
  console.error(taskId);
  try {
    return await follow(client, taskId, ({ sequence, kind }) => console.error(String(sequence), kind.case), within(seconds));
  } catch (error) {
    if (!isServiceError(error) || error.code !== status.DEADLINE_EXCEEDED) throw error;
  }
  // The deadline was that of the watch: the task goes on until somebody stops it.
  await client.call(cancelTask, { taskId, by: 'run.ts', why: 'no longer needed' }, within(10));
  return await follow(client, taskId);
}

async function follow(
  client: DaemonClient,
  taskId: string,
  seen?: (event: TaskEvent) => void,
  deadline?: Deadline,
): Promise<TaskCompletionEvent> {
  for await (const event of watch(client, taskId, deadline)) {
    seen?.(event);
    if (event.kind.case === 'completed') return event.kind.value;
  }
  throw new Error('the watch ended before the task');
}

const [workspace = '', instructions = '', seconds = 'Infinity'] = process.argv.slice(2);
if (workspace === '' || instructions === '') {
  console.error('usage: node run.ts WORKSPACE INSTRUCTIONS [SECONDS]');
  process.exit(64);
}
try {
  const completion = await run(workspace, instructions, Number(seconds));
  console.log(toJsonString(TaskCompletionEventSchema, completion, { useProtoFieldName: true }));
  process.exitCode = completion.outcome === Outcome.SUCCESS ? 0 : 1;
} catch (error) {
  process.exitCode = 2;
  if (!isServiceError(error)) console.error(error instanceof Error ? error.message : error);
  else {
    const { message, info } = refusal(error) ?? { message: error.details };
    console.error(`${info?.reason ?? status[error.code]}: ${message}`);
    for (const [key, value] of Object.entries(info?.metadata ?? {})) console.error(`  ${key}: ${value}`);
  }
}
