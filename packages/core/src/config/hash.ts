import { createHash } from 'node:crypto';
import type { LoadedConfiguration } from './load.ts';

/** Tells two configurations apart, wherever their values come from. */
export function configurationHash({ configuration, plugins }: LoadedConfiguration): string {
  return sha256(JSON.stringify({ configuration, plugins }));
}

/** Tells two sets of OTEL_ variables apart without saying what is in them. */
export function otelHash(environment: NodeJS.ProcessEnv): string {
  const own = Object.entries(environment).filter(([name]) => name.startsWith('OTEL_'));
  return sha256(JSON.stringify(own.sort(([a], [b]) => (a < b ? -1 : 1))));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
