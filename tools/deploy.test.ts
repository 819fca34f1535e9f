import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = dirname(import.meta.dirname);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/deploy.md');

const service = z.strictObject({
  image: z.string(),
  command: z.array(z.string()).optional(),
  user: z.string().optional(),
  restart: z.string(),
  ports: z.array(z.string()),
  volumes: z.array(z.string()),
  environment: z.record(z.string(), z.string()).optional(),
  depends_on: z.array(z.string()).optional(),
});
const compose = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

describe('deploy/compose.yaml', () => {
  const { services, volumes } = compose.parse(parse(read('deploy/compose.yaml')));
  const all = Object.entries(services);

  test.each(all)('%s: its image has a version, and nobody reaches its ports from outside', (_, { image, ports }) => {
    expect(image).toMatch(/^[a-z/-]+:v?\d+\.\d+\.\d+$/);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
  });

  test.each(all)('%s: what it mounts is there, and what it waits for too', (_, { volumes: mounts, depends_on: needs = [] }) => {
    for (const mount of mounts) {
      const [from = '', to = '', mode] = mount.split(':');
      expect(to).toMatch(/^\//);
      if (!from.startsWith('./')) expect(volumes).toHaveProperty(from);
      else {
        expect(mode).toBe('ro');
        expect(existsSync(join(root, 'deploy', from)), mount).toBe(true);
      }
    }
    for (const need of needs) expect(services).toHaveProperty(need);
  });

  test('the page tells of every port', () => {
    const ports = all.flatMap(([, each]) => each.ports.map((port) => port.split(':')[1] ?? ''));
    expect(ports.filter((port) => !page.includes(port))).toEqual([]);
  });

  test('the parts find each other', () => {
    const told = ['deploy/collector/config.yaml', 'deploy/grafana/provisioning/datasources/singletree.yaml'].flatMap((file) =>
      [...read(file).matchAll(/http:\/\/([\w.-]+):\d+/g)].map(([, host = '']) => host),
    );
    expect(new Set(told)).toEqual(new Set(['jaeger', 'prometheus']));
  });
});

describe('deploy/Dockerfile', () => {
  const lines = read('deploy/Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line));
  const of = (word: string): string[] => lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));

  test('it builds with what the checkout pins', () => {
    expect(new Set(of('FROM').map((from) => from.split(/[:-]/)[1]))).toEqual(new Set([read('.node-version').trim()]));
    const { packageManager } = z.object({ packageManager: z.string() }).parse(JSON.parse(read('package.json')));
    expect(of('RUN')[0]).toBe(`npm install --global ${packageManager}`);
  });

  test('an init is process 1, and the daemon is not root', () => {
    expect(of('ENTRYPOINT')).toEqual(['["tini", "--", "singletree"]']);
    expect(of('USER')).toEqual(['node']);
    expect(lines.findIndex((line) => line.startsWith('USER'))).toBeLessThan(lines.findIndex((line) => line.startsWith('ENTRYPOINT')));
  });

  test('the context holds nothing that Git does not know', () => {
    const ignored = read('.dockerignore').split('\n');
    expect(ignored).toContain('.git');
    for (const folder of ['.toolchain', '**/node_modules', '**/dist']) expect(ignored).toContain(folder);
  });
});

test('the page names only files that are there', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'deploy'], {
    cwd: root,
    encoding: 'utf8',
  }).split('\n');
  const told = [...page.matchAll(/deploy\/[\w./-]*\w/g)].map(([path]) => path);
  expect(told.filter((path) => !files.some((file) => file === path || file.startsWith(`${path}/`)))).toEqual([]);
});
