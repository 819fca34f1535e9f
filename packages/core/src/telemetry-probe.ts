/** What keeps telemetry from its receiver. */
export type TelemetryFault =
  | 'refused'
  | 'unknown_host'
  | 'unreachable'
  | 'timeout'
  | 'unknown_ca'
  | 'wrong_name'
  | 'expired'
  | 'client_certificate'
  | 'tls_missing'
  | 'tls_unexpected'
  | 'unauthenticated'
  | 'forbidden'
  | 'wrong_path'
  | 'wrong_protocol'
  | 'no_receiver'
  | 'busy'
  | 'proxy'
  | 'partial'
  | 'rejected'
  | 'other';

/** What became of a probe that was sent to a destination, for one signal. */
export interface ProbeReport {
  /** Name of the destination. */
  readonly destination: string;
  readonly signal: 'traces' | 'metrics';
  /** `doubtful`: the receiver has answered, but has not taken all of it, or not now. `off`: nothing was sent. */
  readonly result: 'taken' | 'doubtful' | 'failed' | 'off';
  /** Without credentials; absent where nothing was sent. */
  readonly endpoint?: string;
  readonly protocol?: string;
  readonly fault?: TelemetryFault;
  /** What came of it, in plain words. */
  readonly message: string;
  /** What would mend it. */
  readonly mend?: string;
  /** What the receiver or the network said, as it said it. */
  readonly answer?: string;
  readonly durationMs?: number;
}
