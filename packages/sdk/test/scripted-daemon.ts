import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ConnectError, type Code, type ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  ControlService,
  DaemonService,
  ErrorInfoSchema,
  HarnessService,
  TaskEventSchema,
  TaskService,
  type TaskEvent,
  type WatchTaskResponseSchema,
} from '@singletree/protocol';

export interface Script {
  readonly tasks?: Partial<ServiceImpl<typeof TaskService>>;
  readonly harnesses?: Partial<ServiceImpl<typeof HarnessService>>;
  readonly control?: Partial<ServiceImpl<typeof ControlService>>;
  readonly daemon?: Partial<ServiceImpl<typeof DaemonService>>;
}

/** A server on a unix socket whose answers are written down in the test, and whose connections the test can cut. */
export class ScriptedDaemon implements AsyncDisposable {
  readonly #folder: string;
  #server: Server | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(script: Script): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon(await mkdtemp(join(tmpdir(), 'sdk-')));
    await daemon.listen(script);
    return daemon;
  }

  get address(): string {
    return `unix:${join(this.#folder, 'daemon.sock')}`;
  }

  async listen(script: Script): Promise<void> {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(TaskService, script.tasks ?? {});
        router.service(HarnessService, script.harnesses ?? {});
        router.service(ControlService, script.control ?? {});
        router.service(DaemonService, script.daemon ?? {});
      },
    });
    this.#server = createServer(handler);
    await new Promise<void>((done) => this.#server?.listen(this.address.slice('unix:'.length), done));
  }

  /** Breaks every connection, as a kill does. */
  cut(): void {
    this.#server?.closeAllConnections();
  }

  /** Breaks every connection and takes the socket away. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((done) => (this.#server ? this.#server.close(() => done()) : done()));
    this.cut();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true });
  }
}

/** An error as a daemon sends it. */
export function refusal(code: Code, reason: string, message: string, metadata: Record<string, string> = {}): ConnectError {
  return new ConnectError(message, code, undefined, [{ desc: ErrorInfoSchema, value: { reason, domain: 'singletree', metadata } }]);
}

/** The events of a task that ends with its `last` one. */
export function eventsOfTask(last: number): TaskEvent[] {
  return Array.from({ length: last }, (_, index) =>
    create(TaskEventSchema, {
      taskId: 'task',
      sequence: BigInt(index + 1),
      at: timestampFromMs(1_000 * index),
      kind:
        index + 1 === last
          ? { case: 'completed', value: { taskId: 'task', outcome: 1 } }
          : { case: 'warning', value: { message: `event ${index + 1}` } },
    }),
  );
}

/** Events as a stream carries them, `size` in a message. */
export function* inMessages(events: TaskEvent[], size: number): Generator<MessageInitShape<typeof WatchTaskResponseSchema>> {
  for (let from = 0; from < events.length; from += size) yield { events: events.slice(from, from + size) };
}
