import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  DaemonStopMode,
  GetStatusResponseSchema,
  HarnessSchema,
  HarnessStatus,
  ListHarnessesResponseSchema,
  PermissionMode,
  StopDaemonResponseSchema,
  UsageCounts,
  UsageScope,
  type DaemonService,
  type Harness,
  type HarnessService,
} from '@singletree/protocol';
import type { Catalogue, Plugin } from '../plugins/catalogue.ts';
import type { Store } from '../store/store.ts';
import { killSwitchToProto } from './control-service.ts';
import { opt } from './to-proto/parts.ts';
import { telemetryToProto, type TelemetryFacts } from './to-proto/telemetry.ts';
import { enumOf, wordOf } from './words.ts';

export interface DaemonFacts {
  readonly pid: number;
  readonly version: string;
  readonly address: string;
  /** The URL over TCP, and where its token lies; absent if there is none. */
  readonly tcp?: string;
  readonly tokenFile?: string;
  readonly state: string;
  readonly startedAt: number;
  readonly concurrency: number;
  readonly configFile?: string | undefined;
  readonly configHash: string;
  readonly otelHash: string;
}

export interface DaemonServiceParts {
  readonly facts: DaemonFacts;
  readonly store: Store;
  readonly plugins: Catalogue;
  readonly telemetry: () => Promise<TelemetryFacts>;
  /** Begins the stop and returns at once. */
  readonly stop: (mode: 'leave' | 'drain' | 'kill') => void;
}

const probeAgeMs = 60_000;

export function daemonService(parts: DaemonServiceParts): ServiceImpl<typeof DaemonService> {
  return {
    async getStatus() {
      const { facts } = parts;
      const counts = await parts.store.countByState();
      return create(GetStatusResponseSchema, {
        pid: facts.pid,
        version: facts.version,
        address: facts.address,
        ...opt('tcpAddress', facts.tcp),
        state: facts.state,
        startedAt: timestampFromMs(facts.startedAt),
        killSwitch: (await parts.store.killSwitches()).map(killSwitchToProto),
        tasks: Object.fromEntries(Object.entries(counts).map(([state, count]) => [state, BigInt(count)])),
        concurrencyLimit: facts.concurrency,
        telemetry: telemetryToProto(await parts.telemetry()),
        harnesses: await Promise.all(parts.plugins.all().map((plugin) => harnessToProto(plugin, probeAgeMs))),
        ...opt('configFile', facts.configFile),
        configHash: facts.configHash,
        otelHash: facts.otelHash,
      });
    },

    stopDaemon(request) {
      parts.stop(wordOf(DaemonStopMode, request.mode) ?? 'leave');
      return create(StopDaemonResponseSchema, {});
    },
  };
}

export function harnessService(plugins: Catalogue): ServiceImpl<typeof HarnessService> {
  return {
    async listHarnesses(request) {
      const harnesses = await Promise.all(plugins.all().map((plugin) => harnessToProto(plugin, request.refresh ? 0 : probeAgeMs)));
      return create(ListHarnessesResponseSchema, { harnesses });
    },
  };
}

async function harnessToProto(plugin: Plugin, maxAgeMs: number): Promise<Harness> {
  const probe = await plugin.probe(maxAgeMs);
  const { capabilities } = plugin.harness;
  return create(HarnessSchema, {
    id: plugin.id,
    plugin: plugin.source,
    supportedVersions: plugin.harness.supportedVersions,
    status: enumOf(HarnessStatus, probe.status),
    ...('version' in probe ? { version: probe.version } : {}),
    ...(probe.status === 'missing' ? {} : { executable: plugin.settings.executable }),
    ...('message' in probe ? { message: probe.message, hint: probe.hint } : {}),
    ...(probe.status === 'ready' && probe.warning !== undefined ? { message: probe.warning } : {}),
    capabilities: {
      resume: capabilities.resume,
      usageScope: capabilities.usage === 'none' ? UsageScope.NONE : enumOf(UsageScope, capabilities.usage.scope),
      ...(capabilities.usage === 'none' ? {} : { usageCounts: enumOf(UsageCounts, capabilities.usage.counts) }),
      contextWindow: capabilities.contextWindow,
      compaction: capabilities.compaction,
      cost: capabilities.cost,
    },
    permissionModes: capabilities.permissionModes.map((mode) => enumOf(PermissionMode, mode)),
  });
}
