import { randomUUID } from 'node:crypto';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  ControlService,
  DaemonService,
  DaemonStopMode,
  EngageKillSwitchResponseSchema,
  GetStatusResponseSchema,
  HarnessSchema,
  HarnessService,
  KillSwitchSchema,
  PreviewTelemetryResponseSchema,
  ReleaseKillSwitchResponseSchema,
  TelemetryProbeSchema,
  TelemetryService,
} from '@singletree/protocol';
import { completions, type Completions } from './completions.ts';
import type { ConnectOptions } from './credentials.ts';
import type { CallSettings } from './deadline.ts';
import { Link } from './link.ts';
import { Tasks, type ChangeSettings, type StopSettings } from './tasks.ts';
import type {
  DaemonStatus,
  EngagedKillSwitch,
  Harness,
  KillSwitch,
  ReleasedKillSwitch,
  TelemetryPreview,
  TelemetryProbe,
} from './types.ts';
import { fromWord } from './words.ts';
import { toPlain } from './write.ts';

/** What becomes of the agents when the daemon stops: they live on, are waited for, or are ended. */
export type StopMode = 'leave' | 'drain' | 'kill';

/** Which records are sent. Without `dead`, a time or a task has to be named. */
export interface SendTelemetry {
  /** Only of tasks that ended then or later. */
  readonly since?: Date | undefined;
  /** Only of this task. */
  readonly taskId?: string | undefined;
  /** Those that the receiver refused for good, with the same bytes, instead of those that were kept while export was off. */
  readonly dead?: boolean | undefined;
  /** Name of the one destination that gets them: then also what others got and it has not. Absent: all destinations. */
  readonly to?: string | undefined;
}

/** A client of one daemon. */
export interface Singletree {
  readonly tasks: Tasks;
  /** The records of finished tasks, in the order in which they ended: as objects, or as a file of JSON lines or CSV. */
  readonly completions: Completions;
  readonly harnesses: {
    /** The harnesses that are configured, with what a probe found. `refresh` probes now; else a probe of the last minute counts. */
    list(settings?: CallSettings & { readonly refresh?: boolean | undefined }): Promise<Harness[]>;
  };
  /** Switches that stop everything of a scope (`all`, `harness=ID`, `model=NAME`, `workspace=/PATH`, `label=KEY`, `label=KEY=VALUE`). */
  readonly killSwitch: {
    /** Throws a switch. Resolves when the processes of its scope are gone, or with those that are not. It stays until it is released. */
    engage(scope: string, settings?: StopSettings): Promise<EngagedKillSwitch>;
    /** Takes the switch of exactly this scope back. */
    release(scope: string, settings?: ChangeSettings): Promise<ReleasedKillSwitch>;
    /** The switches that are thrown, oldest first. */
    list(settings?: CallSettings): Promise<KillSwitch[]>;
  };
  readonly telemetry: {
    /**
     * Sends a span and a metric that tell of no task to each destination of the daemon, waits for the answers, and says what they mean and what would
     * mend what is wrong.
     */
    probe(settings?: CallSettings): Promise<TelemetryProbe[]>;
    /** What leaves, or left, the machine about a finished task. Sends nothing. */
    preview(taskId: string, settings?: CallSettings): Promise<TelemetryPreview>;
    /**
     * Puts records into the queue that would never be sent by themselves: those that were kept while export was off, or with `dead` those that the
     * receiver refused. Resolves, when that is on disk, with how many.
     */
    send(which: SendTelemetry, settings?: ChangeSettings): Promise<number>;
  };
  readonly daemon: {
    status(settings?: CallSettings): Promise<DaemonStatus>;
    /** Stops the daemon. Resolves when the stop has begun. */
    stop(settings?: CallSettings & { readonly mode?: StopMode | undefined }): Promise<void>;
  };
}

/**
 * A client of the local daemon, or of the one that is named. Each call finds it by the options, `$SINGLETREE_ADDRESS` or the address file in the
 * state folder, and over TCP its token by the options, `$SINGLETREE_TOKEN` or that file. Calls throw `NoDaemonError` where there is none, `TlsError`
 * or `TokenError` where one of the two does not trust the other, and else a `SingletreeError` with the daemon's reason.
 */
export function connect(options: ConnectOptions = {}): Singletree {
  const link = new Link(options);
  return {
    tasks: new Tasks(link),
    completions: completions(link),
    harnesses: {
      async list({ refresh = false, ...settings } = {}) {
        const answer = await link.call(HarnessService, (client, call) => client.listHarnesses({ refresh }, call), settings);
        return answer.harnesses.map((harness) => toPlain(HarnessSchema, harness));
      },
    },
    killSwitch: {
      async engage(scope, { by, why, requestId = randomUUID(), ...settings } = {}) {
        const request = { scope, by, why, requestId };
        const answer = await link.change(ControlService, (client, call) => client.engageKillSwitch(request, call), settings);
        return toPlain(EngageKillSwitchResponseSchema, answer);
      },
      async release(scope, { requestId = randomUUID(), ...settings } = {}) {
        const answer = await link.change(ControlService, (client, call) => client.releaseKillSwitch({ scope, requestId }, call), settings);
        return toPlain(ReleaseKillSwitchResponseSchema, answer);
      },
      async list(settings) {
        const answer = await link.call(ControlService, (client, call) => client.listKillSwitches({}, call), settings);
        return answer.killSwitches.map((killSwitch) => toPlain(KillSwitchSchema, killSwitch));
      },
    },
    telemetry: {
      async probe(settings) {
        const answer = await link.call(TelemetryService, (client, call) => client.probeTelemetry({}, call), settings);
        return answer.probes.map((probe) => toPlain(TelemetryProbeSchema, probe));
      },
      async preview(taskId, settings) {
        const answer = await link.call(TelemetryService, (client, call) => client.previewTelemetry({ taskId }, call), settings);
        return toPlain(PreviewTelemetryResponseSchema, answer);
      },
      async send({ since, taskId = '', dead = false, to = '' }, { requestId = randomUUID(), ...settings } = {}) {
        const request = { taskId, dead, to, requestId, ...(since === undefined ? {} : { since: timestampFromDate(since) }) };
        return Number((await link.change(TelemetryService, (client, call) => client.sendTelemetry(request, call), settings)).rows);
      },
    },
    daemon: {
      async status(settings) {
        const answer = await link.call(DaemonService, (client, call) => client.getStatus({}, call), settings);
        return toPlain(GetStatusResponseSchema, answer);
      },
      async stop({ mode = 'leave', ...settings } = {}) {
        const request = { mode: fromWord('stop mode', DaemonStopMode, mode), requestId: randomUUID() };
        await link.call(DaemonService, (client, call) => client.stopDaemon(request, call), settings);
      },
    },
  };
}
