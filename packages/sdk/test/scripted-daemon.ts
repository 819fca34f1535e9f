import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ConnectError, type Code, type ServiceImpl } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  CompletionService,
  ControlService,
  DaemonService,
  ErrorInfoSchema,
  HarnessService,
  TaskEventSchema,
  TaskService,
  TelemetryService,
  type TaskEvent,
  type WatchTaskResponseSchema,
} from '@singletree/protocol';

export interface Script {
  readonly tasks?: Partial<ServiceImpl<typeof TaskService>>;
  readonly harnesses?: Partial<ServiceImpl<typeof HarnessService>>;
  readonly control?: Partial<ServiceImpl<typeof ControlService>>;
  readonly daemon?: Partial<ServiceImpl<typeof DaemonService>>;
  readonly telemetry?: Partial<ServiceImpl<typeof TelemetryService>>;
  readonly completions?: Partial<ServiceImpl<typeof CompletionService>>;
}

/** Where a scripted daemon listens, if not on a unix socket: a host of this machine, with TLS or without. */
export interface Listen {
  readonly host: string;
  readonly tls?: ServerOptions;
}

/** A server whose answers are written down in the test, and whose connections the test can cut. */
export class ScriptedDaemon implements AsyncDisposable {
  readonly folder: string;
  /** The headers of each request, oldest first. */
  readonly requests: IncomingHttpHeaders[] = [];
  /** Connections that were made. */
  connections = 0;
  readonly #listen: Listen | undefined;
  #server: Server | undefined;
  #port = 0;

  private constructor(folder: string, listen: Listen | undefined) {
    this.folder = folder;
    this.#listen = listen;
  }

  static async start(script: Script, listen?: Listen): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon(await mkdtemp(join(tmpdir(), 'sdk-')), listen);
    await daemon.listen(script);
    return daemon;
  }

  get address(): string {
    if (!this.#listen) return `unix:${this.#socket}`;
    return `${this.#listen.tls ? 'https' : 'http'}://${this.#listen.host}:${this.#port}`;
  }

  get #socket(): string {
    return join(this.folder, 'daemon.sock');
  }

  async listen(script: Script): Promise<void> {
    const handler = connectNodeAdapter({
      routes: (router) => {
        router.service(TaskService, script.tasks ?? {});
        router.service(HarnessService, script.harnesses ?? {});
        router.service(ControlService, script.control ?? {});
        router.service(DaemonService, script.daemon ?? {});
        router.service(TelemetryService, script.telemetry ?? {});
        router.service(CompletionService, script.completions ?? {});
      },
    });
    const noted: typeof handler = (request, response) => {
      this.requests.push(request.headers);
      handler(request, response);
    };
    const { host, tls } = this.#listen ?? {};
    const server = tls ? createTlsServer(tls, noted) : createServer(noted);
    // As long as a daemon's: what a client keeps open is the client's to let go.
    server.keepAliveTimeout = 300_000;
    this.#server = server.on('connection', () => (this.connections += 1));
    await new Promise<void>((done) => (host === undefined ? server.listen(this.#socket, done) : server.listen(this.#port, host, done)));
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') this.#port = bound.port;
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
    await rm(this.folder, { recursive: true });
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
