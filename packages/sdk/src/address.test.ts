import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findAddress, socketPath, stateFolder } from './address.ts';
import { NoDaemonError } from './errors.ts';

const home = mkdtempSync(join(tmpdir(), 'sdk-'));
afterAll(() => rmSync(home, { recursive: true }));

function withAddressFile(name: string, content: string): string {
  const folder = join(home, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'address.json'), content);
  return folder;
}

test('an option beats the environment, which beats the address file', () => {
  const state = withAddressFile('one', '{"address":"unix:/one.sock","pid":1,"version":"0.1.0"}');
  const other = withAddressFile('two', '{"address":"unix:/two.sock"}');
  const env = { SINGLETREE_ADDRESS: 'unix:/env.sock', SINGLETREE_STATE: state };
  expect(findAddress({ address: 'unix:/option.sock', state: other, env })).toBe('unix:/option.sock');
  expect(findAddress({ state: other, env })).toBe('unix:/two.sock');
  expect(findAddress({ env })).toBe('unix:/env.sock');
  expect(findAddress({ env: { SINGLETREE_STATE: state } })).toBe('unix:/one.sock');
});

test('the state folder is the one that the daemon takes', () => {
  expect(stateFolder({ env: { SINGLETREE_STATE: '/s', XDG_STATE_HOME: '/x', HOME: '/h' } })).toBe('/s');
  expect(stateFolder({ env: { XDG_STATE_HOME: '/x', HOME: '/h' } })).toBe('/x/singletree');
  expect(stateFolder({ env: { XDG_STATE_HOME: 'relative', HOME: '/h' } })).toBe('/h/.local/state/singletree');
  expect(stateFolder({ env: { HOME: '/h' } })).toBe('/h/.local/state/singletree');
});

test('no address file, or one that is none, is no daemon', () => {
  expect(() => findAddress({ state: join(home, 'nowhere') })).toThrow(NoDaemonError);
  expect(() => findAddress({ state: '/nowhere' })).toThrow(
    expect.objectContaining({ message: 'no daemon runs for the state folder /nowhere', hint: 'singletree up --detach' }),
  );
  expect(() => findAddress({ state: withAddressFile('half', '{"address":') })).toThrow('half/address.json must hold');
  expect(() => findAddress({ state: withAddressFile('wrong', '{"address":1}') })).toThrow(NoDaemonError);
});

test('only a unix socket is an address', () => {
  expect(socketPath('unix:/a/b.sock')).toBe('/a/b.sock');
  for (const wrong of ['http://127.0.0.1:7470', 'unix:relative.sock', '/a/b.sock', 'unix:'])
    expect(() => socketPath(wrong)).toThrow('must be unix:');
});
