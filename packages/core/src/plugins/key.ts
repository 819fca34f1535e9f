import { readFile } from 'node:fs/promises';
import { DomainError } from '../errors.ts';
import { hostCall } from '../supervision/host.ts';
import { notStarted } from './not-started.ts';

/** Where a key comes from. The configuration never holds the key itself. */
export type KeySource = { readonly env: string } | { readonly file: string } | { readonly command: readonly string[] };

/**
 * Reads a key, or another secret, at each use, so that a rotated one needs no restart. `place` is where the configuration says where it is:
 * `harnesses.codex.api_key`.
 */
export function keyReader(place: string, source: KeySource, environment: NodeJS.ProcessEnv): () => Promise<string> {
  const missing = (what: string): DomainError => new DomainError('INVALID_CONFIGURATION', `${place}: ${what}`, { metadata: { place } });
  const read = async (): Promise<string> => {
    if ('env' in source) {
      const value = environment[source.env];
      if (value === undefined || value === '') throw missing(`the daemon's environment has no ${source.env}`);
      return value;
    }
    if ('file' in source) {
      const text = await readFile(source.file, 'utf8').catch(() => undefined);
      if (text === undefined || text.trim() === '') throw missing(`cannot read a key from ${source.file}`);
      return text.trim();
    }
    const [file, ...args] = source.command;
    if (file === undefined) throw missing('the command is empty');
    const env = Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
    const answer = await hostCall(file, args, { env, timeoutMs: 30_000 }).catch(notStarted);
    if ('missing' in answer) throw missing(`${file} ${answer.missing}`);
    const key = answer.stdout.toString('utf8').trim();
    if (answer.code !== 0 || key === '') throw missing(`${file} gave no key (exit code ${answer.code ?? answer.signal ?? 'unknown'})`);
    return key;
  };
  return async () => {
    const key = await read();
    if (key.includes('\0')) throw missing('it holds a NUL, which no variable can');
    return key;
  };
}
