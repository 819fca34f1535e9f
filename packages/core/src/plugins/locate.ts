import { readFileSync, statSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';

/** The file of a plugin's module: of an installed package, looked for from these folders in order, or of a path to a module or a package's folder. */
export function locateModule(source: string, resolveFrom: readonly string[]): string | undefined {
  if (isAbsolute(source)) return moduleAt(source);
  for (const folder of resolveFrom) {
    const found = source.startsWith('.') ? moduleAt(resolve(folder, source)) : installed(source, folder);
    if (found !== undefined) return found;
  }
  return undefined; // not installed in any of them
}

/** A path that leads nowhere is given back: loading it says so. */
function moduleAt(path: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  const { name } = readPackage(join(path, 'package.json'));
  const self = typeof name === 'string' ? installed(name, path) : undefined;
  if (self !== undefined) return self;
  try {
    return createRequire(join(path, 'package.json')).resolve(path);
  } catch {
    return path;
  }
}

function installed(name: string, folder: string): string | undefined {
  const base = join(folder, 'package.json');
  try {
    return createRequire(base).resolve(name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED')) return undefined;
    return importOnly(name, base);
  }
}

/** The main module of a package that can only be imported, for which Node resolves nothing outside an import. */
function importOnly(name: string, base: string): string | undefined {
  const file = findPackageJSON(name, base);
  if (file === undefined) return undefined;
  const { exports } = readPackage(file);
  const main = typeof exports === 'object' && exports !== null && '.' in exports ? exports['.'] : exports;
  const target = targetOf(main);
  return target === undefined ? undefined : resolve(dirname(file), target);
}

function targetOf(conditions: unknown): string | undefined {
  if (typeof conditions === 'string') return conditions;
  if (typeof conditions !== 'object' || conditions === null) return undefined;
  for (const [condition, target] of Object.entries(conditions)) {
    const found = ['node', 'import', 'module-sync', 'default'].includes(condition) ? targetOf(target) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function readPackage(file: string): { readonly name?: unknown; readonly exports?: unknown } {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof content === 'object' && content !== null ? content : {};
  } catch {
    return {};
  }
}
