import { isAbsolute } from 'node:path';

export interface Place {
  /** An absolute folder. */
  readonly root: string;
  /** What is named below it. */
  readonly name: string;
  /** What stood before that in the plugin's words: nothing, or `$NAME/`. */
  readonly prefix: string;
}

/** Where a path lies that a plugin names: below HOME, or for `$NAME/…` below the folder that this variable holds. Undefined where it holds none. */
export function placeOf(path: string, environment: Readonly<Record<string, string>>): Place | undefined {
  const [, prefix = '', variable = 'HOME'] = /^(\$([A-Za-z_][A-Za-z0-9_]*)\/)/.exec(path) ?? [];
  const root = environment[variable];
  return root !== undefined && isAbsolute(root) ? { root, name: path.slice(prefix.length), prefix } : undefined;
}
