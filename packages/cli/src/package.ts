import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

/** The folder of this package: source and build both lie one folder below it. */
export const packageFolder: string = join(import.meta.dirname, '..');

/** The program of the command itself, to be started by Node: source where this is source, built where this is built. */
export const program: string = join(import.meta.dirname, `main${extname(import.meta.filename)}`);

/** The version of the package. */
export function readVersion(): string {
  const content: unknown = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  if (typeof content === 'object' && content !== null && 'version' in content && typeof content.version === 'string')
    return content.version;
  throw new Error(`${packageFolder}/package.json states no version`);
}
