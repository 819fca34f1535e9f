import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { DomainError } from '../errors.ts';
import type { Catalogue } from '../plugins/catalogue.ts';

/** The scopes of a kill switch, as a person types them. */
const forms = 'all, harness=ID, model=NAME, workspace=/ABSOLUTE/PATH, label=KEY, label=KEY=VALUE';

/**
 * The scope that a text means, in the one way in which tasks name it: a directory without symbolic links. Throws INVALID_SCOPE, and
 * UNKNOWN_HARNESS with the known ones.
 */
export async function scopeFrom(text: string, plugins: Catalogue): Promise<string> {
  const at = text.indexOf('=');
  const [kind, value] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  switch (kind) {
    case 'all':
      if (at < 0) return text;
      break;
    case 'harness':
      if (value !== '') return `harness=${plugins.get(value).id}`;
      break;
    case 'workspace':
      if (isAbsolute(value)) return `workspace=${await realOf(resolve(value))}`;
      throw invalid(text, 'its directory must be an absolute path');
    case 'model':
      if (value !== '') return text;
      break;
    case 'label':
      if (value !== '' && !value.startsWith('=')) return text;
      break;
  }
  throw invalid(text, 'there is no such scope');
}

/** Without symbolic links as far as there is something: a directory that is gone, or not yet there, is below one that is. */
async function realOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path === '/' ? path : join(await realOf(dirname(path)), basename(path));
  }
}

function invalid(text: string, why: string): DomainError {
  return new DomainError('INVALID_SCOPE', `"${text}": ${why}`, { hint: `scopes: ${forms}`, metadata: { scope: text } });
}
