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
  TelemetryService,
} from '@singletree/protocol';
import type { AddressOptions } from './address.ts';
import { Link } from './link.ts';
import { repeat } from './retry.ts';
import { repeatForMs, Tasks, type CallSettings, type ChangeSettings, type StopSettings } from './tasks.ts';
import type { DaemonStatus, EngagedKillSwitch, Harness, KillSwitch, ReleasedKillSwitch, TelemetryPreview } from './types.ts';
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
}

/** A client of one daemon. */
export interface Singletree {
  readonly tasks: Tasks;
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
 * A client of the local daemon. Each call connects anew, and finds the daemon by the options, `$SINGLETREE_ADDRESS` or the address
 * file in the state folder. Calls throw `NoDaemonError` where there is none, and else a `SingletreeError` with the daemon's reason.
 */
export function connect(options: AddressOptions = {}): Singletree {
  const link = new Link(options);
  return {
    tasks: new Tasks(link),
    harnesses: {
      async list({ refresh = false, signal } = {}) {
        const answer = await link.call(HarnessService, (client, call) => client.listHarnesses({ refresh }, call), signal);
        return answer.harnesses.map((harness) => toPlain(HarnessSchema, harness));
      },
    },
    killSwitch: {
      async engage(scope, { by, why, requestId = randomUUID(), signal } = {}) {
        const request = { scope, by, why, requestId };
        const engage = () => link.call(ControlService, (client, call) => client.engageKillSwitch(request, call), signal);
        return toPlain(EngageKillSwitchResponseSchema, await repeat(engage, repeatForMs));
      },
      async release(scope, { requestId = randomUUID(), signal } = {}) {
        const release = () => link.call(ControlService, (client, call) => client.releaseKillSwitch({ scope, requestId }, call), signal);
        return toPlain(ReleaseKillSwitchResponseSchema, await repeat(release, repeatForMs));
      },
      async list({ signal } = {}) {
        const answer = await link.call(ControlService, (client, call) => client.listKillSwitches({}, call), signal);
        return answer.killSwitches.map((killSwitch) => toPlain(KillSwitchSchema, killSwitch));
      },
    },
    telemetry: {
      async preview(taskId, { signal } = {}) {
        const answer = await link.call(TelemetryService, (client, call) => client.previewTelemetry({ taskId }, call), signal);
        return toPlain(PreviewTelemetryResponseSchema, answer);
      },
      async send({ since, taskId = '', dead = false }, { requestId = randomUUID(), signal } = {}) {
        const request = { taskId, dead, requestId, ...(since === undefined ? {} : { since: timestampFromDate(since) }) };
        const send = () => link.call(TelemetryService, (client, call) => client.sendTelemetry(request, call), signal);
        return Number((await repeat(send, repeatForMs)).rows);
      },
    },
    daemon: {
      async status({ signal } = {}) {
        const answer = await link.call(DaemonService, (client, call) => client.getStatus({}, call), signal);
        return toPlain(GetStatusResponseSchema, answer);
      },
      async stop({ mode = 'leave', signal } = {}) {
        const request = { mode: fromWord('stop mode', DaemonStopMode, mode), requestId: randomUUID() };
        await link.call(DaemonService, (client, call) => client.stopDaemon(request, call), signal);
      },
    },
  };
}
