import { expect, test } from 'vitest';
import { describeMount, isInMemory, mountOf } from './file-system.ts';

const table = String.raw`/dev/vda / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb /home/me/my\040disk btrfs rw 0 0
overlay /srv overlay rw 0 0
/dev/sdc /srv xfs rw 0 0
`;

test.each([
  ['/', 'ext4', '/'],
  ['/etc/x', 'ext4', '/'],
  ['/run', 'tmpfs', '/run'],
  ['/run/user/1', 'tmpfs', '/run'],
  ['/running', 'ext4', '/'],
  ['/home/me', 'nfs4', '/home'],
  ['/home/me/my disk/state', 'btrfs', '/home/me/my disk'],
  ['/srv/a', 'xfs', '/srv'],
])('%s lies on %s, mounted at %s', (path, type, at) => {
  expect(mountOf(path, table)).toEqual({ type, at });
});

test('an unreadable table is no mount, and nothing is claimed about it', () => {
  expect(mountOf('/home', '')).toBeUndefined();
  expect(describeMount(undefined)).toBe('of unknown type');
  expect(isInMemory(undefined)).toBe(false);
});

test('the real table knows the root', () => {
  expect(mountOf('/')?.at).toBe('/');
});
