import type { ProtocolVersion, protocolVersion } from '../protocol.ts';
import { isObject } from './files.ts';

export const protocol: typeof protocolVersion = 2;

/** Today's and the one before: an upgrade finds running shims, and directories that are prepared for one. */
const understood: readonly ProtocolVersion[] = [1, protocol];

export function isUnderstood(version: unknown): version is ProtocolVersion {
  return understood.some((known) => known === version);
}

/** A record as today's version would have written it. */
export function inTodaysWords(record: unknown): unknown {
  return isObject(record) && record['sandbox'] === 'none' ? { ...record, sandbox: 'marker' } : record;
}
