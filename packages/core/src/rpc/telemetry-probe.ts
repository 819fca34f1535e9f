import { create } from '@bufbuild/protobuf';
import { ProbeTelemetryResponseSchema, TelemetryFault, TelemetryProbeResult, type ProbeTelemetryResponse } from '@singletree/protocol';
import type { ProbeReport } from '../telemetry-probe.ts';
import { count, opt } from './to-proto/parts.ts';
import { enumOf } from './words.ts';

export function probesToProto(reports: readonly ProbeReport[]): ProbeTelemetryResponse {
  return create(ProbeTelemetryResponseSchema, {
    probes: reports.map(({ destination, signal, result, endpoint, protocol, fault, message, mend, answer, durationMs }) => ({
      destination,
      signal,
      result: enumOf(TelemetryProbeResult, result),
      ...opt('endpoint', endpoint),
      ...opt('protocol', protocol),
      ...opt('fault', fault, (word) => enumOf(TelemetryFault, word)),
      message,
      ...opt('mend', mend),
      ...opt('answer', answer),
      ...count('durationMs', durationMs),
    })),
  });
}
