import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** OpenCode looks for configuration from its folder up to the top of the repository. */
export function repositoryOf(folder: string): string {
  for (let above = folder; ; above = dirname(above)) {
    if (existsSync(join(above, '.git'))) return above;
    if (dirname(above) === above) return folder;
  }
}

/** Modules are told by real paths, and sometimes by the one that was asked for. */
export function modulesOf(folder: string): RegExp {
  const paths = [folder, realpathSync(folder)].map(escaped);
  return new RegExp(`^(${[...new Set(paths)].join('|')})/`, 'i');
}

/**
 * Whether a configuration of the repository may name plugins: packages, which OpenCode then fetches from npm, or files anywhere. What is written in
 * escapes may say anything.
 */
export function namesPlugins(folder: string): boolean {
  const top = repositoryOf(folder);
  for (let above = folder; ; above = dirname(above)) {
    const files = ['opencode.json', 'opencode.jsonc', '.opencode/opencode.json', '.opencode/opencode.jsonc'];
    if (files.some((file) => /plugin|\\u/i.test(textOf(join(above, file))))) return true;
    if (above === top) return false;
  }
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** All but what OpenCode brings itself, and what lies beside this file. */
export function foreignModules(own: string = import.meta.dirname): RegExp {
  return new RegExp(`^(?!/\\$bunfs/|${escaped(own)}/)`);
}

function escaped(path: string): string {
  return path.replaceAll(/[^\w/]/g, String.raw`\$&`);
}
