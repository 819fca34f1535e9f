import { LineCounter, parseDocument, type Document } from 'yaml';
import { badInput, type CommandFailure } from '../failure.ts';

type Path = readonly (string | number)[];

interface Source {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly file: string;
}

/** A value in a YAML file, which knows where it stands. */
export class Place {
  readonly value: unknown;
  readonly #source: Source;
  readonly #path: Path;

  private constructor(source: Source, path: Path, value: unknown) {
    this.#source = source;
    this.#path = path;
    this.value = value;
  }

  /** The whole of a file. Throws what is not YAML, with the line. */
  static of(file: string, text: string): Place {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines });
    const [problem] = document.errors;
    if (problem) throw badInput(`${file}, line ${lines.linePos(problem.pos[0]).line}: ${problem.message.split('\n', 1)[0]}`);
    return new Place({ document, lines, file }, [], document.toJS());
  }

  /** `tasks.yaml, line 3` */
  get where(): string {
    const { document, lines, file } = this.#source;
    // The nearest node that exists: a missing key has the line of what it is missing from.
    for (let length = this.#path.length; length >= 0; length--) {
      const node: unknown = length === 0 ? document.contents : document.getIn(this.#path.slice(0, length), true);
      const range = isMapping(node) ? node['range'] : undefined;
      if (Array.isArray(range)) return `${file}, line ${lines.linePos(Number(range[0])).line}`;
    }
    return file;
  }

  /** What is wrong here: `gates.lint in tasks.yaml, line 3: …`. */
  wrong(what: string, hint?: string): CommandFailure {
    const name = this.#path
      .map((key) => (typeof key === 'number' ? `[${key + 1}]` : `.${key}`))
      .join('')
      .replace(/^\./, '');
    return badInput(`${name === '' ? '' : `${name} in `}${this.where}: ${what}`, hint);
  }

  /** The members of a mapping. Throws for anything else. */
  members(what: string): [key: string, place: Place][] {
    if (!isMapping(this.value)) throw this.wrong(`expected ${what}`);
    return Object.entries(this.value).map(([key, value]) => [key, new Place(this.#source, [...this.#path, key], value)]);
  }

  /** The items of a list. Throws for anything else. */
  items(what: string): Place[] {
    if (!Array.isArray(this.value)) throw this.wrong(`expected ${what}`);
    return this.value.map((value: unknown, index) => new Place(this.#source, [...this.#path, index], value));
  }

  text(what: string): string {
    if (typeof this.value === 'string') return this.value;
    throw this.wrong(
      `expected ${what}, found ${JSON.stringify(this.value)}`,
      typeof this.value === 'object' ? undefined : 'put it in quotes',
    );
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
