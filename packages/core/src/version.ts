import { readFileSync } from 'node:fs';

/** The version of the package that this code was published in. Source and build both lie one folder below its package.json. */
export const version: string = readVersion();

function readVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  if (typeof content === 'object' && content !== null && 'version' in content && typeof content.version === 'string')
    return content.version;
  throw new Error('the package.json of @singletree/core states no version');
}
