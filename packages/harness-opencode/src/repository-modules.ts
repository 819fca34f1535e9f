import { existsSync, realpathSync } from 'node:fs';
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
  const paths = [folder, realpathSync(folder)].map((path) => path.replaceAll(/[^\w/]/g, String.raw`\$&`));
  return new RegExp(`^(${[...new Set(paths)].join('|')})/`, 'i');
}
