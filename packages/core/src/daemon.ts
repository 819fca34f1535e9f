import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { graces, type Rooms } from './attempt/rooms.ts';
import { Workspaces } from './attempt/workspaces.ts';
import { configurationHash, otelHash } from './config/hash.ts';
import { loadConfiguration, type LoadedConfiguration } from './config/load.ts';
import { retryOverrides } from './config/retry.ts';
import { watchdogThresholds } from './config/watchdogs.ts';
import { Control } from './control.ts';
import { Dispatcher } from './dispatcher/dispatcher.ts';
import { Engine } from './engine/engine.ts';
import { KillSwitches } from './engine/kill-switches.ts';
import { roomInOutbox, roomInQueue } from './engine/room.ts';
import type { Health } from './health/health.ts';
import { uuidv7 } from './ids.ts';
import { idleAfter } from './idle.ts';
import type { Privacy } from './outbox/attributes.ts';
import { redactor } from './outbox/redaction.ts';
import { harnessExport } from './outbox/destinations/harness-export.ts';
import { openOutbox, type Outbox, type OutboxParts } from './outbox/outbox.ts';
import { loadDestinations } from './load-destinations.ts';
import { loadPlugins } from './load-plugins.ts';
import { pause } from './pause.ts';
import { createCatalogue, type Catalogue } from './plugins/catalogue.ts';
import { createLookout } from './lookout.ts';
import { createPrices } from './pricing/price-list.ts';
import { unknownPredictor } from './prediction/predictor.ts';
import { callSpans } from './rpc/call-spans.ts';
import type { DaemonFacts } from './rpc/daemon-service.ts';
import type { TaskDefaults } from './rpc/from-proto.ts';
import { routes } from './rpc/routes.ts';
import { openWire } from './rpc/server.ts';
import { socketPath } from './state-folder/socket-path.ts';
import { openStateFolder, type StateFolder } from './state-folder/state-folder.ts';
import { openTokens } from './state-folder/tokens.ts';
import type { Store } from './store/store.ts';
import { openSqlite } from './store/sqlite/index.ts';
import { chooseContainment } from './supervision/containment/choose.ts';
import { childEnvironment } from './supervision/environment.ts';
import { HostCalls } from './supervision/host-calls.ts';
import { refuseOwnTask } from './supervision/own-task.ts';
import { settle } from './supervision/settle.ts';
import { isFinal, type Instant, type Task, type WorkspaceSpec } from './task/task.ts';
import { traceOf } from './trace.ts';
import { trustFile } from './trust/record.ts';
import { Retention, type RetentionParts } from './upkeep/retention.ts';
import { version } from './version.ts';
import { createGit } from './workspace/git.ts';

export interface DaemonOptions {
  readonly state: string;
  /** The configuration file that was named; absent for the default places. */
  readonly config?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Where plugin packages are looked for first. */
  readonly resolveFrom: string;
  /** Stop after so long without work, rows to deliver, calls and watchers; absent for never. */
  readonly idleMs?: number | undefined;
  readonly log: Logger;
  /** Told what the person who starts it should know, a line each, before anybody can find the daemon. */
  readonly onWarning: (warning: string) => void;
}

export type StopMode = 'leave' | 'drain' | 'kill';

export interface Daemon {
  readonly facts: DaemonFacts;
  readonly plugins: Catalogue;
  /** Where traces go first; absent if they go nowhere. */
  readonly telemetryTarget?: string | undefined;
  /**
   * `leave`: agents live on and the next daemon adopts them. `drain`: what runs is finished first. `kill`: what runs is ended first. One that
   * waits can be made harder, and is cut short by `leave`.
   */
  stop(mode: StopMode): Promise<void>;
  /** Resolves when the daemon has stopped, whoever asked; rejects when its store can no longer be believed. */
  readonly stopped: Promise<void>;
}

/** How long the relay may go on sending while the daemon stops. */
const deliveryGraceMs = 3_000;

/** How long the daemon's own spans and figures may still be sent. They are worth no wait. */
const healthGraceMs = 1_000;

/** Composes a daemon from its rooms and starts it. The only place where they meet. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { environment, log } = options;
  const now = (): Instant => Date.now();
  const startedAt = now();
  const loaded = loadConfiguration(options.config, environment);
  const { configuration } = loaded;
  const folder = openStateFolder(options.state);
  const stopped = Promise.withResolvers<void>();
  // A store that fails during the start is told of by the start.
  stopped.promise.catch(() => undefined);
  try {
    const newId = uuidv7(now);
    const {
      store,
      outbox: outboxStore,
      metrics,
    } = openSqlite({ path: folder.paths.database, newId: randomUUID, onFailed: stopped.reject });
    const children = childEnvironment(environment);
    const sent = harnessExport(environment);
    const plugins = createCatalogue(await loadPlugins(loaded, children, { ...options, telemetry: 'target' in sent ? sent : undefined }));
    const { content, redact } = configuration.telemetry;
    await outboxStore.keepBytesOf(JSON.stringify({ content, redact }));
    const outbox = await openOutbox({
      environment,
      version,
      store: outboxStore,
      metrics,
      now,
      random: Math.random,
      destinations: await loadDestinations(configuration.telemetry.destinations, environment),
      harnesses: plugins.all().map(({ id }) => id),
      spans: spansOf(configuration.telemetry),
      privacy: privacyOf(configuration.telemetry, environment['HOME']),
      onHint: (listener) => store.onCommit((_, state) => isFinal(state) && listener()),
      report: (event) => log.info({ event }, 'telemetry'),
    });
    const engineParts = { store, now, newId, destinations: outbox.destinations };
    const engine = new Engine(engineParts);
    const processes = { root: folder.paths.processes, stateId: await outboxStore.instanceId(), killSwitch: folder.paths.killSwitch };
    refuseOwnTask(environment, processes.stateId);
    const killSwitches = new KillSwitches(engineParts);
    const control = new Control({ store, engine, killSwitches, processes, sweepLimitMs: graces.sweepMs });
    await control.restore();
    const hostCalls = new HostCalls(processes.stateId);
    const workspaces = openWorkspaces(folder, children, hostCalls, now);
    const path = children['PATH'] ?? '';
    const containment = await chooseContainment(configuration.supervision.containment, { stateId: processes.stateId, path });
    log.info({ containment }, 'how processes are held');
    const lookout = createLookout({ loaded, children, resolveFrom: options.resolveFrom, environment });
    const rooms: Rooms = {
      store,
      engine,
      plugins,
      workspaces,
      now,
      newId,
      processes,
      containment,
      environment: children,
      root: process.getuid?.() === 0,
      trustFile: trustFile(environment),
      watchdogs: watchdogThresholds(configuration),
      prices: createPrices(configuration.prices),
      unsupervisedMs: configuration.supervision.unsupervised_limit,
      lookout,
    };
    await settleLeftovers(store, rooms, log);
    await closeLeftovers(store, workspaces, log);
    const dispatcher = new Dispatcher({
      rooms,
      predictor: unknownPredictor,
      owner: newId(),
      concurrency: concurrencyOf(loaded),
      monotonicMs: () => performance.now(),
      log,
    });

    const health = await openHealth(configuration.telemetry.health, outbox);
    const wire = await openWire({
      listen: configuration.listen,
      socketPath: socketPath(folder.paths.root, environment),
      tokens: () => openTokens(folder.paths),
      log,
      interceptors: health ? [callSpans(health.tracer)] : [],
    });
    const facts: DaemonFacts = {
      pid: process.pid,
      version,
      address: wire.address,
      ...(wire.tcp === undefined ? {} : { tcp: wire.tcp, tokenFile: folder.paths.adminToken }),
      state: folder.paths.root,
      startedAt,
      concurrency: configuration.concurrency.total,
      configFile: loaded.file,
      configHash: configurationHash(loaded),
      otelHash: otelHash(environment),
    };
    const stopping = new AbortController();
    const leaving = Promise.withResolvers<void>();
    const stop = async (mode: StopMode): Promise<void> => {
      if (mode === 'leave') leaving.resolve();
      if (mode === 'kill') endWhatRuns();
      if (!stopping.signal.aborted) {
        stopping.abort();
        shutDown(mode).then(stopped.resolve, stopped.reject);
      }
      await stopped.promise;
    };
    const { max_pending: mostPending } = configuration.telemetry;
    const telemetry = async () => ({ ...(await outbox.status()), ...(mostPending === 0 ? {} : { mostPending }) });
    const tasks = {
      store,
      processRoot: processes.root,
      engine,
      plugins,
      now,
      defaults: defaultsOf(loaded),
      traceIdOf: (task: Task) => traceOf(task).traceId,
      queue: () => dispatcher.queue(),
      checkWorkspace: (workspace: WorkspaceSpec) => workspaces.check(workspace),
      missingInHead: (directory: string, paths: readonly string[]) => workspaces.missingInHead(directory, paths),
      accepting: () => !stopping.signal.aborted,
      room: async () => {
        await roomInQueue(store, configuration.concurrency.max_waiting);
        await roomInOutbox(outboxStore, outbox.destinations, mostPending);
      },
    };
    /** For those who do not wait: whoever awaits `stopped` hears of a stop that failed. */
    const beginStop = (mode: StopMode): void => void stop(mode).catch(() => undefined);
    const daemon = { facts, store, plugins, telemetry, stop: beginStop };
    await dispatcher.start();
    outbox.start();
    const retention = openRetention(configuration.telemetry.retain, outboxStore, outbox.destinations, now, log);
    // Nothing is awaited from here on: a call that stops the daemon finds everything that is to be stopped.
    const server = wire.serve(
      routes({
        tasks,
        control: { control, store, plugins },
        daemon,
        plugins,
        telemetry: {
          store,
          preview: (finished) => outbox.preview(finished),
          queue: (wish, asked) => outbox.queue(wish, asked),
          probe: () => outbox.probe(),
        },
        stopping: stopping.signal,
      }),
      { '/metrics': () => outbox.metricsText() },
    );
    for (const warning of [...folder.warnings, ...outbox.warnings, ...('why' in sent ? unsentTraces(plugins, sent.why) : [])])
      options.onWarning(warning);
    // Last: whoever finds the address finds a daemon that works.
    folder.leaveAddress(wire.tcpHere === undefined ? facts : { ...facts, tcp: wire.tcpHere });
    const idle =
      options.idleMs === undefined ? undefined : idleAfter(options.idleMs, { store, outbox, server, onIdle: () => beginStop('leave') });

    const endWhatRuns = (): void =>
      void dispatcher.end('singletree down --kill').catch((error: unknown) => {
        log.error({ err: error }, 'what runs could not be ended: it lives on');
        leaving.resolve();
      });
    const shutDown = async (mode: StopMode): Promise<void> => {
      idle?.stop();
      if (mode !== 'leave') {
        dispatcher.drain();
        await Promise.race([dispatcher.idle(), leaving.promise]);
      }
      await server.close();
      await dispatcher.stop();
      await lookout.close();
      await hostCalls.end();
      await retention.stop();
      await Promise.all([outbox.stop(deliveryGraceMs), health?.stop(healthGraceMs)]);
      await store.close();
      folder.release();
    };
    return { facts, plugins, telemetryTarget: outbox.targets[0], stop, stopped: stopped.promise };
  } catch (error) {
    folder.release();
    throw error;
  }
}

function openWorkspaces(
  folder: StateFolder,
  children: Readonly<Record<string, string>>,
  hostCalls: HostCalls,
  now: () => Instant,
): Workspaces {
  const path = children['PATH'] ?? '';
  const userHome = children['HOME'] ?? '/';
  const xdgConfigHome = children['XDG_CONFIG_HOME'];
  return new Workspaces({
    git: createGit({ hostCall: hostCalls.call, home: folder.paths.gitHome, path }),
    gitHome: { home: folder.paths.gitHome, path, user: { home: userHome, ...(xdgConfigHome === undefined ? {} : { xdgConfigHome }) } },
    folder: folder.paths.worktrees,
    userHome,
    now,
  });
}

/** Ends what an earlier daemon left and no step will visit: everything but the newest attempts of the tasks that are being driven. */
async function settleLeftovers(store: Store, rooms: Rooms, log: Logger): Promise<void> {
  const kept = new Set((await store.leased()).map((task) => join(task.id, String(task.attempts.length))));
  const settled = await settle({
    ...rooms.processes,
    now: rooms.now,
    verdict: (directory) => (kept.has(dirname(directory)) ? 'keep' : 'stale'),
  });
  for (const done of settled) {
    const said = done.failure === undefined ? 'an earlier process was ended: no task needs it' : 'a process directory could not be settled';
    log.warn({ ...done }, said);
  }
}

/** Removes the checkouts of tasks that ended while their daemon died. One that has to stay keeps no daemon from its other tasks. */
async function closeLeftovers(store: Store, workspaces: Workspaces, log: Logger): Promise<void> {
  for (const id of await workspaces.opened()) {
    try {
      const task = await store.task(id);
      if (task && isFinal(task.state)) await workspaces.close(task);
    } catch (error) {
      log.warn({ err: error, task: id }, 'the workspace of a task that has ended could not be removed');
    }
  }
}

function openRetention(
  retainMs: number,
  store: RetentionParts['store'],
  destinations: readonly string[],
  now: () => Instant,
  log: Logger,
): Retention {
  const retention = new Retention({
    store,
    destinations,
    retainMs,
    now,
    sleep: pause,
    report: (event) => {
      if ('pruned' in event) log.info(event, 'old records of telemetry were deleted');
      else log.warn({ err: event.error }, 'old records of telemetry could not be deleted');
    },
  });
  retention.start();
  return retention;
}

/** Whoever has switched on the traces of a CLI hears of it where they go nowhere. */
function unsentTraces(plugins: Catalogue, why: string): string[] {
  const wanted = plugins.all().filter(({ wantsTelemetry }) => wantsTelemetry);
  return wanted.map(({ id }) => `harnesses.${id}.telemetry: its traces are not sent: ${why}`);
}

/** OpenTelemetry's SDK takes a tenth of a second and a dozen megabytes, so only who asks for it loads it. */
async function openHealth(isOn: boolean, outbox: Outbox): Promise<Health | undefined> {
  return isOn ? (await import('./health/health.ts')).startHealth({ version, ...(await outbox.forHealth()) }) : undefined;
}

function spansOf({ spans, max_spans: most }: LoadedConfiguration['configuration']['telemetry']): OutboxParts['spans'] {
  return { tools: spans.includes('tools'), modelCalls: spans.includes('model_calls'), most };
}

function privacyOf({ content, redact }: LoadedConfiguration['configuration']['telemetry'], home: string | undefined): Privacy {
  return { content, redact: redactor(redact, home) };
}

function concurrencyOf({ configuration }: LoadedConfiguration): { total: number; perHarness: Readonly<Record<string, number>> } {
  return { total: configuration.concurrency.total, perHarness: configuration.concurrency.per_harness };
}

function defaultsOf(loaded: LoadedConfiguration): TaskDefaults {
  const { defaults } = loaded.configuration;
  return {
    harness: defaults.harness,
    permissions: defaults.permissions,
    timeoutMs: defaults.timeout,
    maxOutputBytes: defaults.max_output,
    maxAttempts: defaults.max_attempts,
    gateTimeoutMs: defaults.gate_timeout,
    attemptTimeoutMs: defaults.attempt_timeout,
    firstOutputMs: defaults.first_output,
    stallMs: defaults.stall,
    maxTurns: defaults.max_turns,
    maxTokens: defaults.max_tokens,
    maxCostUsdMicros: defaults.max_cost_usd,
    maxContextUtilization: defaults.max_context,
    minFreeBytes: defaults.min_free_disk,
    blockedLimitMs: defaults.blocked_limit,
    retry: retryOverrides(loaded.configuration),
  };
}
