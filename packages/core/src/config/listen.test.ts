import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfiguration } from './load.ts';
import type { Listen } from './listen.ts';

const folder = mkdtempSync(join(tmpdir(), 'singletree-listen-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(listen: string, environment: Record<string, string> = {}): Listen {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, `version: 1\nlisten: ${listen}\n`);
  return loadConfiguration(file, environment).configuration.listen;
}

const tls = 'tls: { certificate: /c.pem, key: /k.pem }';

describe('where the daemon listens', () => {
  test('is its socket alone, unless somebody says more', () => expect(load('{}')).toEqual({ socket: true, hosts: [] }));

  test.each([
    ['{ tcp: "127.0.0.1:7470" }', { host: '127.0.0.1', port: 7470 }],
    ['{ tcp: 127.0.0.1:0 }', { host: '127.0.0.1', port: 0 }],
    ['{ tcp: "localhost:7470" }', { host: '127.0.0.1', port: 7470 }],
    ['{ tcp: "127.9.9.9:7470" }', { host: '127.9.9.9', port: 7470 }],
    ['{ tcp: "[::1]:7470" }', { host: '::1', port: 7470 }],
    [`{ tcp: "0.0.0.0:7470", ${tls} }`, { host: '0.0.0.0', port: 7470 }],
    [`{ tcp: "[::]:443", ${tls} }`, { host: '::', port: 443 }],
  ])('%s', (listen, tcp) => expect(load(listen)).toMatchObject({ tcp }));

  test('may come from variables', () => {
    const environment = { SINGLETREE_LISTEN_TCP: '127.0.0.1:7471', SINGLETREE_LISTEN_HOSTS: '[build.example.org]' };
    expect(load('{}', environment)).toMatchObject({ tcp: { port: 7471 }, hosts: ['build.example.org'] });
  });

  test.each([
    ['{ tcp: "0.0.0.0:7470" }', /line 2: 0\.0\.0\.0 is reached from other machines.*set listen\.tls/],
    ['{ tcp: "[::]:7470" }', /:: is reached from other machines/],
    ['{ tcp: "192.168.1.2:7470" }', /192\.168\.1\.2 is reached from other machines/],
    ['{ tcp: "[::ffff:127.0.0.1]:7470" }', /is reached from other machines/],
    ['{ tcp: "128.0.0.1:7470" }', /is reached from other machines/],
    ['{ socket: false }', /listen\.socket in .* without the socket nobody reaches the daemon/],
    ['{ tcp: 7470 }', /expected an address of this machine and a port, such as 127\.0\.0\.1:7470/],
    ['{ tcp: "127.0.0.1" }', /"127\.0\.0\.1": expected an address/],
    ['{ tcp: "127.0.0.1:65536" }', /expected an address/],
    ['{ tcp: "127.0.0.256:80" }', /expected an address/],
    ['{ tcp: "build.example.org:7470" }', /expected an address/],
    ['{ tcp: "::1:7470" }', /expected an address/],
    [`{ ${tls} }`, /listen\.tls in .* only a TCP address is served with TLS/],
    ['{ hosts: [build.example.org] }', /they are names for a TCP address/],
    ['{ tcp: "127.0.0.1:1", hosts: ["*"] }', /expected the name of a host/],
    ['{ tcp: "127.0.0.1:1", hosts: ["http://a"] }', /expected the name of a host/],
    ['{ tcp: "127.0.0.1:1", tls: { certificate: c.pem, key: /k.pem } }', /listen\.tls\.certificate in .* expected an absolute path/],
    ['{ tcp: "127.0.0.1:1", tls: { certificate: /c.pem } }', /listen\.tls\.key/],
    ['{ tcp: "127.0.0.1:1", tls: { certificate: /c.pem, key: /k.pem, ca: /a.pem } }', /unknown key "listen\.tls\.ca"/],
  ])('%s is refused', (listen, message) => expect(() => load(listen)).toThrow(message));
});
