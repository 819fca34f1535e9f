import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, TlsError } from '@singletree/sdk';
import { until } from '@singletree/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Machine, type Typed } from '../support/machine.ts';

/** A daemon without a socket, with TLS, and a person who knows of it no more than its address, an authority and a token. */

const certificates = join(import.meta.dirname, '../../packages/core/fixtures/tls');
const ca = join(certificates, 'ca.pem');
let machine: Machine;
let address: string;

beforeAll(async () => {
  machine = await Machine.make();
  const tls = { certificate: join(certificates, 'server.pem'), key: join(certificates, 'server-key.pem') };
  machine.configure({ listen: { socket: false, tcp: '127.0.0.1:0', tls } });
  const { stderr } = await machine.type(['up', '--detach'], { env: { SINGLETREE_CA_FILE: ca } });
  expect(stderr).toBe('');
  const { tcp } = JSON.parse(readFileSync(join(machine.state, 'address.json'), 'utf8')) as { tcp: string };
  address = tcp.replace('127.0.0.1', 'localhost');
});
afterAll(async () => await machine[Symbol.asyncDispose]());

const token = (name: string): string => join(machine.state, name);

async function typeElsewhere(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Typed> {
  const strange = { SINGLETREE_STATE: join(machine.path, 'none'), SINGLETREE_CONFIG: join(machine.path, 'none.yaml') };
  writeFileSync(strange.SINGLETREE_CONFIG, 'version: 1\n');
  return await machine.type(argv, { env: { ...strange, SINGLETREE_ADDRESS: address, SINGLETREE_CA_FILE: ca, ...env } });
}

test('whoever has the state folder needs to say only whom to trust', async () => {
  const client = connect({ state: machine.state, env: { SINGLETREE_CA_FILE: ca } });
  expect(await client.daemon.status()).toMatchObject({ address: expect.stringMatching(/^https:/), state: machine.state });
  await expect(connect({ state: machine.state, env: {} }).daemon.status()).rejects.toThrow(TlsError);
});

describe('from elsewhere', () => {
  test('a task is run, looked at and brought home', async () => {
    const asked = ['run', '--json', '--token-file', token('token.submit'), '--gate', 'test=test -e made.txt', 'make it'];
    const { code, stdout } = await typeElsewhere(asked);
    expect(code).toBe(0);
    const { task_id: id, outcome } = JSON.parse(stdout) as { task_id: string; outcome: string };
    expect(outcome).toBe('success');
    const env = { SINGLETREE_TOKEN: readFileSync(token('token.read'), 'utf8').trim() };
    expect(JSON.parse((await typeElsewhere(['get', '-', '--json'], env)).stdout)).toMatchObject({ id, state: 'completed' });
    const doctor = JSON.parse((await typeElsewhere(['doctor', '--json'], env)).stdout) as { checks: { id: string; status: string }[] };
    expect(doctor.checks.map((check) => [check.id, check.status].join(' '))).toEqual(
      expect.arrayContaining(['daemon.daemon ok', 'daemon.machine skipped', 'harnesses.fake ok']),
    );
    // The address is one of this machine: so is the repository.
    expect((await typeElsewhere(['diff', id], env)).stdout).toContain('+by the agent');
  });

  test('what is wrong with the way there is told in plain words', async () => {
    const env = { SINGLETREE_TOKEN: 'st_x' };
    const typed = await Promise.all([
      typeElsewhere(['status'], env),
      typeElsewhere(['status'], { ...env, SINGLETREE_CA_FILE: '' }),
      typeElsewhere(['status'], { ...env, SINGLETREE_ADDRESS: address.replace('https', 'http') }),
      typeElsewhere(['cancel', '-', '--token-file', token('token.read')]),
    ]);
    const [refused, untrusted, clear, cancel] = typed.map(({ stderr }) => stderr);
    expect(refused).toMatch(/^error: .*\n.*\n?  the token came from \$SINGLETREE_TOKEN\n$/);
    expect(untrusted).toMatch(/^error: nobody who is trusted here vouches for the certificate of https:.*\n.*--ca-file FILE/);
    expect(clear).toMatch(/^error: .*http:\/\/localhost:\d+.*\n  .*https:\/\/localhost/);
    expect(cancel).toMatch(/^error: .*scope submit.*\n  the token came from .*token\.read\n$/);
    expect(typed.map(({ code }) => code)).toEqual([77, 69, 69, 77]);
    for (const { stderr, stdout } of typed) {
      // Neither codes of a library nor its stack.
      expect(stderr).not.toMatch(/\[\w+\]|^\s+at |routines/m);
      expect(stdout).toBe('');
    }
  });

  test('down returns when it answers nobody any more', async () => {
    const down = await typeElsewhere(['down', '--token-file', token('token')]);
    expect([down.code, down.stderr]).toEqual([0, '']);
    await until(() => machine.daemons().length === 0, { what: 'the end of the daemon', timeoutMs: 20_000 });
  });
});
