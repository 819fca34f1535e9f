import { probeTelemetry, type Finding, type ProbeReport } from '@singletree/core/doctor';
import { loadConfiguration } from '@singletree/core/local';
import { NoDaemonError, type TelemetryProbe } from '@singletree/sdk';
import type { Call } from '../call.ts';
import { configOf } from '../daemon/ensure.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { readVersion } from '../package.ts';
import { exact, facts } from '../terminal/figures.ts';
import { checkId, sectionLines } from './show.ts';

/** A probe as a daemon tells it, or as this command has made it. */
type Probe = ProbeReport | TelemetryProbe;

interface Tried {
  readonly by: 'daemon' | 'command';
  readonly probes: readonly Probe[];
}

/** Sends a probe to each destination and tells what came of each. The daemon's own environment counts, since it is the one that sends. */
export async function tryTelemetry(call: Call, config: string | undefined): Promise<ExitCode> {
  const tried = await tryIt(call, config);
  const { by, probes } = tried;
  const sent = probes.filter(({ result }) => result !== 'off');
  const isWell = sent.length > 0 && sent.every(({ fault }) => fault === undefined);
  if (call.json) call.printJson({ status: isWell ? 'ok' : 'error', by, probes: probes.map(probeJson) });
  else {
    const sender = by === 'daemon' ? 'by the daemon that runs' : 'no daemon runs: with the configuration and environment of this command';
    if (!call.quiet) call.print([`  ${sender}`]);
    for (const [destination, those] of Map.groupBy(probes, (probe) => probe.destination)) {
      call.print(sectionLines({ subject: destination, findings: those.map(findingOf) }, call));
    }
    if (!call.quiet) call.print(['', `  ${ending(tried, sent.length, isWell)}`]);
  }
  return isWell ? exitCodes.success : exitCodes.failure;
}

async function tryIt(call: Call, config: string | undefined): Promise<Tried> {
  try {
    const client = await call.client();
    return { by: 'daemon', probes: await client.telemetry.probe() };
  } catch (error) {
    if (!(error instanceof NoDaemonError) || call.isRemote) throw error;
    const { env } = call.world;
    const { configuration } = loadConfiguration(configOf(config, call.world), env);
    return {
      by: 'command',
      probes: await probeTelemetry(configuration.telemetry.destinations, { environment: env, version: readVersion() }),
    };
  }
}

function ending({ by }: Tried, sent: number, isWell: boolean): string {
  if (isWell) return 'telemetry arrives; what it sent has the attribute singletree.probe, and is counted nowhere';
  const again = by === 'daemon' ? ', then: singletree down && singletree up --detach' : '';
  return sent === 0 ? `nothing is sent anywhere: set OTEL_EXPORTER_OTLP_ENDPOINT${again}` : `something was not taken: mend it${again}`;
}

const statusOfResult: Readonly<Record<string, Finding['status']>> = { taken: 'ok', doubtful: 'warning', failed: 'error', off: 'skipped' };

function statusOf({ result }: Probe): Finding['status'] {
  return statusOfResult[result] ?? 'warning';
}

function findingOf(probe: Probe): Finding {
  const { signal, message, mend = '', endpoint = '', protocol, answer = '', durationMs } = probe;
  const time = durationMs === undefined ? undefined : `${exact(durationMs)} ms`;
  const said = answer.trim() === '' ? '' : `\nit said: ${answer.trim()}`;
  return {
    check: signal,
    status: statusOf(probe),
    message: `${facts(endpoint === '' ? undefined : `${endpoint} by ${protocol}`, message, time)}${said}`,
    ...(mend === '' ? {} : { mend }),
  };
}

/** As the rest of `doctor` tells its checks, with what only a probe has. */
function probeJson(probe: Probe): object {
  const { destination, signal, result, fault, endpoint, protocol, message, mend, answer, durationMs } = probe;
  const present = Object.entries({ endpoint, protocol, message, mend, answer }).filter(([, text]) => text !== undefined && text !== '');
  return {
    id: `${checkId('telemetry', destination)}.${signal}`,
    destination,
    signal,
    status: statusOf(probe),
    result,
    ...(fault === undefined ? {} : { fault }),
    ...Object.fromEntries(present),
    ...(durationMs === undefined ? {} : { duration_ms: durationMs }),
  };
}
