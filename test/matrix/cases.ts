/**
 * What every client does over every protocol and transport. Drivers in other languages take it as data: `matrixSettings` of daemon.ts gives them
 * this list as JSON, together with where the daemons are.
 *
 * A driver makes each case by itself, in any order and at the same time if it likes, and says what came of it in a `Cell`.
 */
export const matrixCases = {
  /** GetTask of `finished_task`. The answer's id is the task's, and its state is COMPLETED. */
  unary: { method: 'GetTask', state: 'TASK_STATE_COMPLETED' },
  /**
   * WatchTask of `finished_task` twice: until `resume_after` events were seen, where the client cancels, and again with that `after_sequence`. Both
   * together give the sequences 1 to `last_sequence`, each once and in order; the last event is `completed`, and the stream ends by itself.
   */
  stream: { method: 'WatchTask', resumeAfter: 3 },
  /** CreateTask with instructions that hold nothing but a space, in `workspace`. Refused, with exactly one google.rpc.ErrorInfo. */
  error: {
    method: 'CreateTask',
    instructions: ' ',
    code: 'INVALID_ARGUMENT',
    reason: 'EMPTY_PROMPT',
    domain: 'singletree',
    metadata: { field: 'instructions' },
  },
  /** WatchTask of `running_task` with a deadline. It ends with this code, not before the deadline and not long after it. */
  deadline: { method: 'WatchTask', timeoutMs: 300, atMostMs: 5_000, code: 'DEADLINE_EXCEEDED' },
  /** WatchTask of `running_task`, cancelled by the client after the first message. It ends with this code, and the connection still serves GetTask. */
  cancel: { method: 'WatchTask', code: 'CANCELLED' },
  /** CreateTask with instructions of so many bytes, more than the daemon reads. It ends with this code, and GetTask is still served. */
  oversize: { method: 'CreateTask', instructionsBytes: 5 * 1024 * 1024, code: 'RESOURCE_EXHAUSTED' },
} as const;

export type MatrixCase = keyof typeof matrixCases;

export const caseNames: readonly MatrixCase[] = ['unary', 'stream', 'error', 'deadline', 'cancel', 'oversize'];

export type MatrixProtocol = 'connect' | 'grpc' | 'grpc-web';

/** How the bytes travel: where to, and in which version of HTTP. */
export type MatrixTransport = 'socket h1' | 'socket h2c' | 'tcp h1' | 'tcp h2c' | 'tls h1' | 'tls h2';

export const transportNames: readonly MatrixTransport[] = ['socket h1', 'socket h2c', 'tcp h1', 'tcp h2c', 'tls h1', 'tls h2'];

/** What came of one case. A driver in another language prints it as one line of JSON. */
export interface Cell {
  /** The library, such as `grpc-js`. */
  readonly client: string;
  readonly protocol: MatrixProtocol;
  readonly transport: MatrixTransport;
  readonly case: MatrixCase;
  readonly ok: boolean;
  /** What was seen instead of what the case says. */
  readonly detail?: string;
}
