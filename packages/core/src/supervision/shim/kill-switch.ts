import { readFileSync, statSync } from 'node:fs';
import type { KillSwitchWatch, StopRequest } from '../protocol.ts';
import { hasCode } from './error-code.ts';
import { isObject } from './files.ts';

/** The kill switch as it stands in its file, for one process. */
export class KillSwitch {
  readonly #watch: KillSwitchWatch | undefined;
  /** The file that was last read whole: it is replaced as a whole, never written to. */
  #read = '';
  #hit: StopRequest | undefined;

  constructor(watch: KillSwitchWatch | undefined) {
    this.#watch = watch;
  }

  /** The stop that the switch asks for. Throws where the file cannot be read or understood: that is no hit, and it is read again the next time. */
  hit(): StopRequest | undefined {
    if (this.#watch === undefined) return undefined;
    const { file, scopes } = this.#watch;
    const stat = statIfThere(file);
    const version = stat === undefined ? '' : `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
    if (version === this.#read) return this.#hit;
    this.#read = 'none';
    this.#hit = undefined;
    this.#hit = stat === undefined ? undefined : stopIn(file, scopes);
    this.#read = version;
    return this.#hit;
  }
}

function statIfThere(file: string): { readonly ino: bigint; readonly mtimeNs: bigint; readonly size: bigint } | undefined {
  try {
    return statSync(file, { bigint: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function stopIn(file: string, scopes: readonly string[]): StopRequest | undefined {
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isObject(content) || !Array.isArray(content['switches'])) throw new Error(`${file} holds no list of switches`);
  const entries: readonly unknown[] = content['switches'];
  const found = entries.filter(isObject).find(({ scope }) => scopes.some((own) => own === scope));
  if (found === undefined) return undefined;
  const { by, at } = found;
  return {
    kind: 'kill',
    hardness: 'kill',
    by: typeof by === 'string' ? by : 'kill-switch',
    at: typeof at === 'number' ? at : Date.now(),
  };
}
