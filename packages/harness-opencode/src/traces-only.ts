import { forThisStartOnly } from './start-variables.ts';

/**
 * A plugin for OpenCode itself, loaded where its traces are sent. OpenCode then sends its log too, which tells what commands its agents run: from now on
 * there is nothing in what it sends. It is taken out where the body is written, since OpenCode may have taken hold of what sends it before.
 *
 * And OpenCode hands its variables on: what agents run would send to the same place, under the task's name.
 */
export default async function tracesOnly(): Promise<object> {
  forThisStartOnly();
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
  JSON.stringify = new Proxy(JSON.stringify, {
    apply: (stringify, self, [value, ...how]: [unknown, ...unknown[]]): unknown =>
      Reflect.apply(stringify, self, [isLog(value) ? { resourceLogs: [] } : value, ...how]),
  });
  return {};
}

/** The body of an OTLP request with logs. */
function isLog(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'resourceLogs' in value;
}
