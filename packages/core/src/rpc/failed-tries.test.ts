import { expect, test } from 'vitest';
import { canonical, FailedTries } from './failed-tries.ts';

test('an address may fail so often at once, and then once in so long', () => {
  let now = 0;
  const tries = new FailedTries(() => now, { burst: 3, refillMs: 1_000 });
  expect([tries.fail('10.0.0.1'), tries.fail('10.0.0.1'), tries.fail('10.0.0.1')]).toEqual([undefined, undefined, undefined]);
  expect(tries.fail('10.0.0.1')).toBe(1_000);
  now = 400;
  expect(tries.fail('10.0.0.1')).toBe(600);
  expect(tries.fail('10.0.0.2'), 'another address').toBeUndefined();
  now = 1_000;
  expect(tries.fail('10.0.0.1')).toBeUndefined();
  expect(tries.fail('10.0.0.1')).toBe(1_000);
  now = 1e9;
  for (let n = 0; n < 3; n++) expect(tries.fail('10.0.0.1')).toBeUndefined();
  expect(tries.fail('10.0.0.1'), 'no more than the burst is saved up').toBe(1_000);
});

test('the addresses that are remembered are bounded, and the one that tries most is not forgotten', () => {
  const tries = new FailedTries(() => 0, { burst: 1, refillMs: 1_000 });
  tries.fail('10.0.0.1');
  for (let n = 0; n < 10_000; n++) {
    tries.fail(`10.1.${n >> 8}.${n & 255}`);
    if (n % 1_000 === 0) expect(tries.fail('10.0.0.1')).toBe(1_000);
  }
  expect(tries.fail('10.1.0.0'), 'forgotten').toBeUndefined();
});

test.each([
  ['127.0.0.1', '127.0.0.0/8'],
  ['::ffff:127.0.0.1', '127.0.0.0/8'],
  ['::FFFF:127.0.0.1', '127.0.0.0/8'],
  ['::ffff:7f00:1', '127.0.0.0/8'],
  ['0:0:0:0:0:ffff:7f00:0001', '127.0.0.0/8'],
  ['127.9.8.7', '127.0.0.0/8'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8:1:3::9', '2001:db8:1:3::/64'],
])('%s is known as %s', (address, key) => expect(canonical(address)).toBe(key));
