import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts, startServer, type Server } from './server.ts';

export interface Collector extends Server {
  /** OTLP over HTTP, and over gRPC. */
  readonly http: string;
  readonly grpc: string;
  /** Where Prometheus may scrape the metrics that it got, as `host:port`. */
  readonly scrape: string;
}

export interface CollectorOptions {
  /** Jaeger's OTLP over HTTP. */
  readonly traces?: string;
  /** Prometheus's OTLP receiver. */
  readonly metrics?: string;
}

const config: string = join(import.meta.dirname, '../../../deploy/collector/config.yaml');
const nowhere = 'http://127.0.0.1:9';

/** The Collector by the configuration of deploy/, with an endpoint for Prometheus beside it. Its queue is in `folder`. */
export async function startCollector(folder: string, { traces = nowhere, metrics = nowhere }: CollectorOptions): Promise<Collector> {
  mkdirSync(folder, { recursive: true });
  const ports = await freePorts('health', 'grpc', 'http', 'scrape');
  const at = (name: keyof typeof ports): string => `127.0.0.1:${ports[name]}`;
  const more = join(folder, 'scrape.yaml');
  writeFileSync(
    more,
    JSON.stringify({
      exporters: { prometheus: { endpoint: at('scrape') } },
      service: { pipelines: { metrics: { exporters: [...(metrics === nowhere ? [] : ['otlp_http/metrics']), 'prometheus'] } } },
    }),
  );
  const server = await startServer({
    name: 'collector',
    folder,
    args: ['--config', config, '--config', more],
    env: {
      HEALTH_ADDRESS: at('health'),
      GRPC_ADDRESS: at('grpc'),
      HTTP_ADDRESS: at('http'),
      QUEUE_FOLDER: join(folder, 'queue'),
      TRACES_URL: traces,
      METRICS_URL: metrics,
    },
    ready: `http://${at('health')}/`,
  });
  return { ...server, http: `http://${at('http')}`, grpc: `http://${at('grpc')}`, scrape: at('scrape') };
}
