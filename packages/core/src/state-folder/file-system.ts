import { readFileSync } from 'node:fs';

export interface Mount {
  /** The kernel's name of it: ext4, nfs4, tmpfs … */
  readonly type: string;
  readonly at: string;
}

/** The mount that holds a path without symbolic links, by the kernel's table; undefined where it cannot be read. */
export function mountOf(path: string, table: string = readTable()): Mount | undefined {
  return table
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, at = '', type = '']) => ({ at: unescape(at), type }))
    .filter(({ at, type }) => type !== '' && (at === '/' || path === at || path.startsWith(`${at}/`)))
    .reduce<Mount | undefined>((best, mount) => (best === undefined || mount.at.length >= best.at.length ? mount : best), undefined);
}

/** For messages. */
export function describeMount(mount: Mount | undefined): string {
  return mount ? `${mount.type}, mounted at ${mount.at}` : 'of unknown type';
}

/** Whether what is written there is gone after a reboot. */
export function isInMemory(mount: Mount | undefined): boolean {
  return mount?.type === 'tmpfs' || mount?.type === 'ramfs';
}

function readTable(): string {
  try {
    return readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    return '';
  }
}

/** The kernel writes space, tab, line break and backslash in octal. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
