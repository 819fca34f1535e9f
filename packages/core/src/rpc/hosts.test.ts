import { expect, test } from 'vitest';
import { hostsOf, nameHere } from './hosts.ts';

const bound = (address: string, port: number) => ({ address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' });

test('the address itself and the names of loopback, with the port', () => {
  expect([...hostsOf([], bound('127.0.0.1', 7470))]).toEqual(['localhost:7470', '127.0.0.1:7470', '[::1]:7470']);
  expect(hostsOf([], bound('192.0.2.7', 7470))).toContain('192.0.2.7:7470');
  expect(hostsOf([], bound('2001:db8::7', 7470))).toContain('[2001:db8::7]:7470');
});

test('configured names have that port where they have none', () => {
  const hosts = hostsOf(['Build.example.org', 'proxy.example.org:9000'], bound('192.0.2.7', 7470));
  expect([...hosts].slice(-2)).toEqual(['build.example.org:7470', 'proxy.example.org:9000']);
});

test('an address that stands for all of them is no name', () => {
  expect(hostsOf([], bound('0.0.0.0', 7470))).not.toContain('0.0.0.0:7470');
  expect(hostsOf([], bound('::', 7470))).not.toContain('[::]:7470');
});

test.each([
  ['0.0.0.0', 'localhost:7470'],
  ['::', 'localhost:7470'],
  ['127.0.0.1', '127.0.0.1:7470'],
  ['2001:db8::7', '[2001:db8::7]:7470'],
])('bound to %s it is called %s by clients of its machine', (address, name) => expect(nameHere(bound(address, 7470))).toBe(name));

test('the port that a scheme implies may be left out', () => {
  expect(hostsOf(['build.example.org'], bound('192.0.2.7', 443))).toContain('build.example.org');
  expect(hostsOf(['build.example.org'], bound('192.0.2.7', 7470))).not.toContain('build.example.org');
});
