import { variable, type Environment } from './pairs.ts';

/** What is read; of OTEL_EXPORTER_OTLP_ also the forms for one signal. */
const used =
  /^OTEL_(SDK_DISABLED|SERVICE_NAME|RESOURCE_ATTRIBUTES|(TRACES|METRICS)_EXPORTER|METRIC_EXPORT_INTERVAL|EXPORTER_OTLP_((TRACES|METRICS)_)?(ENDPOINT|HEADERS|PROTOCOL|TIMEOUT|COMPRESSION|INSECURE|CERTIFICATE|CLIENT_CERTIFICATE|CLIENT_KEY))$/;

/** Of these it is worth saying why. */
const reasons: Readonly<Record<string, string>> = {
  OTEL_TRACES_SAMPLER: 'the record of every finished task is sent',
  OTEL_TRACES_SAMPLER_ARG: 'the record of every finished task is sent',
  OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'histograms have the boundaries that the documentation tells',
  OTEL_METRIC_EXPORT_TIMEOUT: 'OTEL_EXPORTER_OTLP_METRICS_TIMEOUT is',
  OTEL_CONFIG_FILE: 'destinations stand in the configuration, under telemetry.destinations',
};

const temporality = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE';

/** Warnings about variables of OpenTelemetry that are set and change nothing, or not what they say: whoever set them should know. Those for logs are for other programs: none are sent. */
export function unusedVariables(environment: Environment): string[] {
  const unused = Object.keys(environment).filter(
    (name) =>
      name.startsWith('OTEL_') && !used.test(name) && !/_LOGS_|^OTEL_B?LRP_/.test(name) && variable(environment, name) !== undefined,
  );
  const preference = variable(environment, temporality)?.toLowerCase();
  const isDelta = preference !== undefined && preference !== 'cumulative';
  const plain = unused.filter((name) => name !== temporality && reasons[name] === undefined).sort();
  const interval = variable(environment, 'OTEL_METRIC_EXPORT_INTERVAL');
  return [
    ...(interval !== undefined && !(Number(interval) > 0)
      ? ['OTEL_METRIC_EXPORT_INTERVAL is not a number of milliseconds above 0; 60000 is used']
      : []),
    ...(isDelta ? [`${temporality} is not followed: metrics are cumulative; a collector's cumulativetodelta makes deltas of them`] : []),
    ...unused.flatMap((name) => (reasons[name] === undefined ? [] : [`${name} is not used: ${reasons[name]}`])),
    ...(plain.length > 0 ? [`not used: ${plain.join(', ')}`] : []),
  ];
}
