import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, getJson, startServer, type Server } from './server.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Prometheus extends Server {
  readonly url: string;
  /** Takes metrics by OTLP. */
  readonly otlp: string;
  /** The result of an expression now. A number alone is a sample without labels. */
  query(expression: string): Promise<Sample[]>;
  /** Asks another of its APIs, and gives `data` of the answer. */
  get<Data>(path: string): Promise<Data>;
}

/**
 * Prometheus with its storage in `folder`.
 *
 * @param configuration what its file holds, or the path of one
 * @param features that are switched on; none, as in deploy/compose.yaml
 */
export async function startPrometheus(
  folder: string,
  configuration: object | string,
  features: readonly string[] = [],
): Promise<Prometheus> {
  mkdirSync(folder, { recursive: true });
  const { web } = await freePorts('web');
  const file = typeof configuration === 'string' ? configuration : join(folder, 'prometheus.yaml');
  if (typeof configuration === 'object') writeFileSync(file, JSON.stringify(configuration)); // JSON is YAML
  const url = `http://127.0.0.1:${web}`;
  const server = await startServer({
    name: 'prometheus',
    folder,
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${web}`,
      '--web.enable-otlp-receiver',
      ...features.map((feature) => `--enable-feature=${feature}`),
      '--log.level=warn',
    ],
    ready: `${url}/-/ready`,
  });
  const get = async <Data>(path: string): Promise<Data> => ((await getJson(`${url}${path}`)) as { data: Data }).data;
  return {
    ...server,
    url,
    otlp: `${url}/api/v1/otlp/v1/metrics`,
    get,
    async query(expression) {
      const { resultType, result } = await get<Result>(`/api/v1/query?${new URLSearchParams({ query: expression }).toString()}`);
      if (resultType === 'scalar') return [{ labels: {}, value: Number(result[1]) }];
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
    },
  };
}

type At = readonly [seconds: number, value: string];
type Result =
  | { readonly resultType: 'scalar'; readonly result: At }
  | { readonly resultType: 'vector'; readonly result: readonly { readonly metric: Record<string, string>; readonly value: At }[] };
