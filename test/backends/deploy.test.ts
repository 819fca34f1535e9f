import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { repository, temporaryFolder } from '@singletree/testing';
import { describe, expect, test } from 'vitest';
import { startCollector } from './support/collector.ts';
import { startJaeger } from './support/jaeger.ts';
import { startPrometheus } from './support/prometheus.ts';
import { freePorts, missing } from './support/server.ts';

/** docs/deploy.md as somebody follows it, without what needs a Docker engine: the receivers of its Compose file run as processes instead. */

const root = dirname(dirname(import.meta.dirname));
const page = readFileSync(join(root, 'docs/deploy.md'), 'utf8');
const blocks = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) => text);
const dockers = blocks.filter((block) => block.includes('docker '));
const [telemetry = '', look = '', serve = '', call = '', ...others] = blocks.filter((block) => !dockers.includes(block));
const reasons = (['jaeger', 'collector', 'prometheus'] as const).flatMap((name) => missing(name) ?? []);

const script = { runs: [[{ write: { path: 'a.txt', content: 'after\n' } }, { say: 'Done.' }]] };

describe.skipIf(reasons.length > 0)(`docs/deploy.md${reasons.length > 0 ? ` (${reasons.join(', ')})` : ''}`, () => {
  test('what it has to type works as it stands there', { timeout: 120_000 }, async () => {
    expect(others).toEqual([]);
    await using folder = await temporaryFolder();
    await using repo = await repository({ files: { 'a.txt': 'before\n' } });
    await using jaeger = await startJaeger(join(folder.path, 'jaeger'));
    await using prometheus = await startPrometheus(join(folder.path, 'prometheus'), {
      storage: { tsdb: { out_of_order_time_window: '2h' } },
    });
    await using collector = await startCollector(join(folder.path, 'collector'), {
      traces: jaeger.http,
      metrics: `${prometheus.url}/api/v1/otlp`,
    });
    const ports = await freePorts('tcp');
    const home = join(folder.path, 'home');
    mkdirSync(join(home, 'bin'), { recursive: true });
    symlinkSync(join(root, 'singletree'), join(home, 'bin/singletree'));
    writeFileSync(join(home, 'script.json'), JSON.stringify(script));
    const fake = { plugin: '@singletree/testing/fake-harness', options: { script: join(home, 'script.json') } };
    writeFileSync(join(home, 'fake.json'), JSON.stringify({ version: 1, defaults: { harness: 'fake' }, harnesses: { fake } }));

    const typed = [
      'export SINGLETREE_CONFIG=~/fake.json',
      telemetry,
      `singletree run --workspace ${repo.path} --gate test="grep after a.txt" "Change it."`,
      // Metrics go once a second here, and the Collector batches.
      'sleep 3',
      look,
      'singletree down',
      serve,
      call,
      'singletree down',
    ].join('\n');
    const here = typed
      .replaceAll('http://127.0.0.1:4318', collector.http)
      .replaceAll('http://127.0.0.1:16686', jaeger.url)
      .replaceAll('http://127.0.0.1:9090', prometheus.url)
      .replaceAll('7470', String(ports.tcp));
    const env = { HOME: home, PATH: `${join(home, 'bin')}:${process.env['PATH']}`, OTEL_METRIC_EXPORT_INTERVAL: '1000' };
    try {
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', here], { cwd: home, env });
      const operations = stdout.match(/"(invoke_workflow|invoke_agent|gate) ?[\w ]*"/g) ?? [];
      expect(operations.toSorted()).toEqual(expect.arrayContaining(['"gate test"', '"invoke_agent fake"', '"invoke_workflow"']));
      expect(stdout).toMatch(/^"1"$/m);
      expect(stdout).toContain(`tcp         https://0.0.0.0:${ports.tcp}`);
    } finally {
      await promisify(execFile)(join(root, 'singletree'), ['down', '--kill'], { env }).catch(() => undefined);
    }
  });

  test('what is not run here needs a Docker engine', () => {
    expect(dockers.map((block) => block.split('\n')[0])).toEqual([
      'docker compose --file deploy/compose.yaml up --detach',
      'docker build --file deploy/Dockerfile --tag singletree .',
      expect.stringContaining('docker run --detach --name singletree'),
    ]);
  });
});
