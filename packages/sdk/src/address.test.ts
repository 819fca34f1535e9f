import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findAddress, parseAddress, stateFolder } from './address.ts';
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

test('an address is a socket, or a host and a port', () => {
  expect(parseAddress('unix:/a/b.sock')).toEqual({ kind: 'unix', path: '/a/b.sock', isLocal: true });
  expect(parseAddress('http://localhost:7470')).toMatchObject({ kind: 'http', isLocal: true });
  expect(parseAddress('https://build.example:7470/')).toMatchObject({ kind: 'https', isLocal: false });
  expect(parseAddress('https://127.0.0.1')).toMatchObject({ kind: 'https', isLocal: true });
  const wrong = [
    'unix:relative.sock',
    'unix:',
    '/a/b.sock',
    '127.0.0.1:7470',
    'localhost:7470',
    'ws://localhost:7470',
    'https://a:1/path',
    '',
  ];
  for (const address of wrong) {
    expect(() => parseAddress(address), address).toThrow(expect.objectContaining({ reason: 'INVALID_ADDRESS', hint: expect.any(String) }));
  }
  expect(() => parseAddress('https://me:secret@build.example:7470')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('secret'), hint: expect.stringContaining('--token-file') }),
  );
});

test('nothing goes to another machine in the clear, however this one is written', () => {
  const ours = ['127.0.0.1', '127.8.9.1', '127.1', '0x7f.1', '2130706433', 'localhost', '[::1]', '[0:0:0:0:0:0:0:1]'];
  for (const host of ours) expect(parseAddress(`http://${host}:7470`), host).toMatchObject({ isLocal: true });
  const others = ['10.0.0.5', '0.0.0.0', '[::]', '[fe80::1]', '128.0.0.1', 'build.example', 'localhost.example', '127.0.0.1.example'];
  for (const host of others) {
    expect(() => parseAddress(`http://${host}:7470`), host).toThrow(
      expect.objectContaining({ reason: 'INSECURE_ADDRESS', message: expect.stringContaining('in the clear') }),
    );
  }
});
