import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Listen } from '../config/listen.ts';
import { statePaths } from '../state-folder/paths.ts';
import { openTokens } from '../state-folder/tokens.ts';
import { examineListeners } from './listeners.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'singletree-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const look = (set: Partial<Listen>) => examineListeners({ socket: true, hosts: [], ...set }, statePaths(folder));
const tcp = { host: '127.0.0.1', port: 7470 };
const pem = (name: string): string => join(import.meta.dirname, '../../fixtures/tls', `${name}.pem`);
const tls = { certificate: pem('server'), key: pem('server-key') };

test('the socket alone needs nothing, and nothing is made', () => {
  expect(look({})).toMatchObject([
    { check: 'socket', status: 'ok' },
    { check: 'tcp', status: 'skipped', message: 'off: listen.tcp is not set' },
  ]);
  expect(look({ tcp })[2]).toMatchObject({ check: 'tokens', status: 'ok', message: expect.stringContaining('3 of 3 files are not there') });
  expect(readdirSync(folder)).toEqual([]);
});

test('tokens that nobody else can read are well; one that is open to others is an error, with what mends it', () => {
  openTokens(statePaths(folder));
  expect(look({ tcp })).toMatchObject([{}, { message: expect.stringContaining('http://127.0.0.1:7470') }, { status: 'ok' }]);
  chmodSync(join(folder, 'token.read'), 0o644);
  expect(look({ tcp })[2]).toMatchObject({ check: 'tokens', status: 'error', mend: expect.stringMatching(/^rm .*token\.read/) });
});

test('a certificate is read, with its key', () => {
  openTokens(statePaths(folder));
  expect(look({ tcp: { host: '::1', port: 1 }, tls })).toMatchObject([
    {},
    { check: 'tcp', message: expect.stringContaining('https://[::1]:1') },
    {},
    { check: 'certificate', status: 'ok', message: expect.stringContaining('2126') },
  ]);
  const other = join(folder, 'no.pem');
  writeFileSync(other, 'none');
  for (const wrong of [
    { ...tls, key: pem('client-key') },
    { ...tls, certificate: other },
    { ...tls, certificate: join(folder, 'x') },
  ])
    expect(look({ tcp, tls: wrong })[3]).toMatchObject({ check: 'certificate', status: 'error' });
});
