import { randomBytes } from 'node:crypto';
import type { ProbeReport } from '../../telemetry-probe.ts';
import type { Instant } from '../../task/task.ts';
import type { Destination, Otlp, Signal } from '../destinations/destination.ts';
import type { Environment } from '../destinations/pairs.ts';
import type { Send } from '../send/send.ts';
import type { Sender } from '../spans/serialise.ts';
import { explain } from './explain.ts';
import { probePayload } from './payload.ts';
import { spokenAt, type Spoken } from './spoken.ts';

/** A destination of one signal. */
export interface ProbeTarget {
  /** Its name in the outbox. */
  readonly name: string;
  readonly signal: Signal;
  readonly destination: Destination;
}

export interface ProbeParts {
  readonly sender: Sender;
  readonly environment: Environment;
  readonly now: () => Instant;
  /** A connection of its own, so that a probe meets what a first record would meet, and holds up none. */
  readonly senderFor: (destination: Otlp, signal: Signal) => Promise<Send>;
}

/** Longest wait for what a port speaks. */
const lookLimitMs = 2_000;

/** Sends a probe to each destination, all at once, and tells what came of each. */
export async function probe(targets: readonly ProbeTarget[], parts: ProbeParts): Promise<ProbeReport[]> {
  return await Promise.all(targets.map((target) => probeOne(target, parts)));
}

async function probeOne({ name, signal, destination: to }: ProbeTarget, parts: ProbeParts): Promise<ProbeReport> {
  const base = { destination: name, signal };
  if (to.kind === 'off') return { ...base, result: 'off', message: `nothing was sent: ${to.why}` };
  const send = await parts.senderFor(to, signal);
  const ids = { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex') };
  const payload = probePayload(signal, { sender: parts.sender, at: parts.now(), ...ids });
  const begun = performance.now();
  const result = await send(payload, new AbortController().signal);
  const durationMs = Math.round(performance.now() - begun);
  const answer = result.kind === 'acknowledged' ? result.message : result.error;
  const probed = { ...base, to, result, proxy: proxyOf(to, parts.environment) };
  const explained = explain(probed);
  // Whoever breaks off without a word does not say what he would rather be spoken to in.
  const isSilent = result.kind === 'retry' && explained.fault === 'other';
  return {
    ...base,
    endpoint: to.target,
    protocol: to.protocol,
    ...(isSilent ? explain({ ...probed, spoken: await look(to) }) : explained),
    ...(answer === undefined ? {} : { answer }),
    durationMs,
  };
}

async function look(to: Otlp): Promise<Spoken | undefined> {
  const { url } = to.connection();
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return await spokenAt(url.hostname.replace(/^\[|\]$/g, ''), port, lookLimitMs);
}

/** The gRPC client goes through a proxy that these name, as curl does; HTTP is sent straight. */
function proxyOf({ protocol, target }: Otlp, environment: Environment): string | undefined {
  const host = URL.parse(target)?.hostname ?? '';
  const direct = (environment['no_grpc_proxy'] ?? environment['no_proxy'] ?? '').split(',').filter((name) => name !== '');
  if (protocol !== 'grpc' || direct.some((name) => host.endsWith(name))) return undefined;
  return ['grpc_proxy', 'https_proxy', 'http_proxy'].find((name) => environment[name]);
}
