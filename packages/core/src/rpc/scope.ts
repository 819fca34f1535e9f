import { realpath } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { DomainError } from '../errors.ts';
import type { Catalogue } from '../plugins/catalogue.ts';

/** The scopes of a kill switch, as a person types them. */
const forms = 'all, harness=ID, model=NAME, workspace=/ABSOLUTE/PATH, label=KEY, label=KEY=VALUE';

/**
 * The scope that a text means, in the one way in which tasks name it: a directory without symbolic links where it exists. Throws INVALID_SCOPE, and
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
      if (isAbsolute(value)) return `workspace=${await realpath(resolve(value)).catch(() => resolve(value))}`;
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

function invalid(text: string, why: string): DomainError {
  return new DomainError('INVALID_SCOPE', `"${text}": ${why}`, { hint: `scopes: ${forms}`, metadata: { scope: text } });
}
