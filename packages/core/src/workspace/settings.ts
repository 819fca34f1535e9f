import { rawOf } from './paths.ts';

/** One line of git's configuration. Values are bytes, one character each (latin1): git demands no encoding of them. */
export interface Setting {
  readonly key: string;
  readonly value: string;
}

/** Settings that decide how files become blobs. Everything else in a configuration is somebody else's business and stays there. */
const carriedKeys =
  /^(core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode|excludesfile|attributesfile|bigfilethreshold)|filter\..+|lfs\.storage)$/i;
const pathKeys = /^core\.(excludesfile|attributesfile)$|^lfs\.storage$/i;

/** Reads `git config -z --list`. A key without a value means true. */
export function parseSettings(listing: Buffer): Setting[] {
  return listing
    .toString('latin1')
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const end = entry.indexOf('\n');
      return end < 0 ? { key: entry, value: 'true' } : { key: entry.slice(0, end), value: entry.slice(end + 1) };
    });
}

/** What our own configuration takes over, with the user's `~` written out, because our git has another HOME. */
export function carriedSettings(settings: readonly Setting[], userHome: string): Setting[] {
  return settings
    .filter(({ key }) => carriedKeys.test(key))
    .map(({ key, value }) => ({
      key,
      value: pathKeys.test(key) && value.startsWith('~/') ? `${rawOf(userHome)}/${value.slice(2)}` : value,
    }));
}

/** The last value of a key, as git reads it. */
export function settingOf(settings: readonly Setting[], key: string): string | undefined {
  return settings.findLast((setting) => setting.key.toLowerCase() === key)?.value;
}

/** A configuration file, as bytes in latin1. */
export function renderSettings(settings: readonly Setting[]): string {
  return settings
    .map(({ key, value }) => {
      const first = key.indexOf('.');
      const last = key.lastIndexOf('.');
      const name = last > first ? ` "${key.slice(first + 1, last).replace(/["\\]/g, '\\$&')}"` : '';
      return `[${key.slice(0, first)}${name}]\n\t${key.slice(last + 1)} = ${quoted(value)}\n`;
    })
    .join('');
}

function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n').replace(/\t/g, '\\t')}"`;
}
