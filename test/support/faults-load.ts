import { setTimeout as sleep } from 'node:timers/promises';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { ErrorInfoSchema, TaskService } from '@singletree/protocol';
import { findAddress } from '@singletree/sdk';

/** One call that failed, in the words of the wire. The reason is the daemon's own, undefined where it gave no answer. */
export interface Refusal {
  readonly code: string;
  readonly reason: string | undefined;
  readonly message: string;
}

/** What became of the tasks that somebody wanted while something was wrong. */
export interface Wanted {
  /** Ids of those that the daemon said it has. */
  readonly acknowledged: string[];
  /** What it said to the others, or what became of the call. */
  readonly refusals: Refusal[];
}

/** Wants one task after the other until `enough`; each is asked for once, on a connection of its own. */
export async function wantTasks(
  state: string,
  workspace: string,
  enough: (wanted: Wanted) => boolean,
  instructions = 'Do it.',
): Promise<Wanted> {
  const wanted: Wanted = { acknowledged: [], refusals: [] };
  while (!enough(wanted)) {
    try {
      const { task } = await clientOf(state).createTask({ instructions, workspace: { path: workspace } }, { timeoutMs: 10_000 });
      wanted.acknowledged.push(task?.id ?? '');
    } catch (error) {
      wanted.refusals.push(refusalOf(error));
      await sleep(20);
    }
  }
  return wanted;
}

function clientOf(state: string) {
  const socketPath = findAddress({ state, env: {} }).slice('unix:'.length);
  return createClient(
    TaskService,
    createConnectTransport({ baseUrl: 'http://localhost', httpVersion: '1.1', nodeOptions: { socketPath, agent: false } }),
  );
}

function refusalOf(thrown: unknown): Refusal {
  const error = ConnectError.from(thrown);
  return { code: Code[error.code], message: error.rawMessage, reason: error.findDetails(ErrorInfoSchema)[0]?.reason };
}
