import type { ModelRequest, ModelServer, Step } from '@singletree/testing';

/** What a model server has put on the wire, in tokens of all kinds. */
export function tokensServed({ served }: Pick<ModelServer, 'served'>): number {
  return served.reduce(
    (sum, { usage }) => sum + Object.entries(usage).reduce((all, [kind, tokens]) => all + (isKind(kind) ? tokens : 0), 0),
    0,
  );
}

/** The long-lived cache writes are a part of all. */
function isKind(kind: string): boolean {
  return kind !== 'cache_creation_1h_input_tokens';
}

/** Counts the model calls that begin although a limit had been passed by what was on the wire then. */
export class Judge {
  /** The server that is judged, once it is there. */
  models: ModelServer | undefined;
  readonly #limit: number;
  readonly #seen = new Set<ModelRequest>();
  #begun = 0;

  /** @param limit tokens */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get begun(): number {
    return this.#begun;
  }

  /** The script, with each request seen by this judge. */
  over(steps: readonly Step[]): Step[] {
    return steps.map((step) => {
      const { match } = step;
      const fits = (request: ModelRequest): boolean =>
        match === undefined || (typeof match === 'function' ? match(request) : new RegExp(match).test(request.raw));
      return {
        ...step,
        match: (request) => {
          this.#see(request);
          return fits(request);
        },
      };
    });
  }

  #see(request: ModelRequest): void {
    if (this.#seen.has(request)) return;
    this.#seen.add(request);
    if (this.models && tokensServed(this.models) >= this.#limit) this.#begun += 1;
  }
}
