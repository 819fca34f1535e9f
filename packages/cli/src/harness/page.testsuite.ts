import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout. */
export const root: string = join(import.meta.dirname, '../../../..');

/** The page that tells how a plugin is written. */
export const page: string = join(root, 'docs/harnesses/README.md');

/** Writes the files of the page: its code blocks with a title. Those that begin with `#!` can be executed. */
export function writeFiles(folder: string): readonly string[] {
  const files = [...readFileSync(page, 'utf8').matchAll(/^```\w+ title=(\S+)\n(.*?)^```$/gms)];
  return files.map(([, name = '', text = '']) => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (text.startsWith('#!')) chmodSync(file, 0o755);
    return name;
  });
}

/** The command lines of the page: its `sh` blocks, line by line. */
export function commands(): readonly string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, text = '']) => text.trimEnd().split('\n'));
}

/** What `npm install` would bring into the folder of a plugin. */
export function install(folder: string): void {
  const harness = join(root, 'packages/harness');
  for (const [name, target] of [
    ['@singletree/harness', harness],
    ['zod', join(harness, 'node_modules/zod')],
  ] as const) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }
}
