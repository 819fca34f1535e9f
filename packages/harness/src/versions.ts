import type { Probe, ProbeHost } from './contract.ts';

/** Negative if `left` is the older of two versions of numbers and dots; what follows a hyphen or a plus sign is not compared. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [numbers(left), numbers(right)];
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbers(version: string): number[] {
  return (version.split(/[-+]/, 1)[0] ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
}

/** A range of versions, both ends included. An absent end is open. */
export interface VersionRange {
  readonly from?: string;
  readonly to?: string;
}

/** Reads a range as it is written for people: `all`, `2.1.197`, `up to 2.1.197`, `from 2.1.198`, `2.1.197 – 2.1.329`. Undefined for anything else. */
export function versionRange(text: string): VersionRange | undefined {
  if (text === 'all') return {};
  const [, from, to] = /^(?:from )?(\d[\w.+-]*)(?: [–-] (\d[\w.+-]*))?$/.exec(text) ?? [];
  if (text.startsWith('from ')) return from !== undefined && to === undefined ? { from } : undefined;
  if (from !== undefined) return { from, to: to ?? from };
  const last = /^up to (\d[\w.+-]*)$/.exec(text)?.[1];
  return last === undefined ? undefined : { to: last };
}

export function inRange(version: string, { from, to }: VersionRange): boolean {
  return (from === undefined || compareVersions(version, from) >= 0) && (to === undefined || compareVersions(version, to) <= 0);
}

/** A CLI as its plugin knows it: how it tells its version and between which versions it was checked. */
export interface CheckedCli {
  readonly displayName: string;
  readonly args: readonly string[];
  /** Its first group is the version. */
  readonly pattern: RegExp;
  readonly oldest: string;
  readonly newest: string;
  /** The command line that installs it. */
  readonly install: string;
}

/** Whether the CLI is there and can be used. A newer one than was checked runs, with a warning: a plugin is always older than the next CLI. */
export async function probeVersion(host: ProbeHost, cli: CheckedCli): Promise<Probe> {
  const answer = await host.version(cli.args, cli.pattern);
  if ('missing' in answer) {
    const hint = `${cli.install}, or set "executable" to where it is`;
    return { status: 'missing', message: `${cli.displayName}: ${answer.missing}`, hint };
  }
  const version = answer.found;
  if (compareVersions(version, cli.oldest) < 0) {
    const message = `${cli.displayName} ${version} is older than ${cli.oldest}, the oldest that is supported`;
    return { status: 'unsupported_version', version, message, hint: cli.install };
  }
  if (compareVersions(version, cli.newest) <= 0) return { status: 'ready', version };
  const warning = `${cli.displayName} ${version} is newer than ${cli.newest}, the newest that was checked: what it prints may not all be understood`;
  return { status: 'ready', version, warning };
}
