import type { HarnessEventBody } from '@singletree/harness';

type Started = Extract<HarnessEventBody, { kind: 'tool.started' }>;
type Finished = Extract<HarnessEventBody, { kind: 'tool.finished' }>;

/** What makes two calls alike; undefined for a call that is like no other, because it is of another kind or not all of it is known. */
type Likeness = (started: Started, finished: Finished) => string | undefined;

export const sameResult: Likeness = (started, { failed, outputDigest }) =>
  failed || started.inputDigest === undefined || outputDigest === undefined
    ? undefined
    : [started.tool, started.inputDigest, outputDigest].join(' ');

/** Whatever it said as it failed: times and addresses make the words differ. */
export const sameFailure: Likeness = (started, { failed }) =>
  failed && started.inputDigest !== undefined ? [started.tool, started.inputDigest].join(' ') : undefined;

interface Row {
  readonly likeness: string;
  readonly name: string;
  readonly times: number;
}

/** Counts how often a thread's last call came in a row. Each sub-agent counts for itself, since their calls come in between. */
export class RepeatedCalls {
  readonly #likeness: Likeness;
  readonly #open = new Map<string, Started>();
  /** By sub-agent; undefined for the main thread. */
  readonly #rows = new Map<string | undefined, Row>();

  constructor(likeness: Likeness) {
    this.#likeness = likeness;
  }

  add(event: HarnessEventBody): void {
    if (event.kind === 'tool.started') this.#open.set(event.toolId, event);
    else if (event.kind === 'tool.finished') this.#finish(event);
    else if (event.kind === 'subagent.ended') this.#rows.delete(event.subagent);
  }

  /** The longest row that goes on now. */
  get row(): { readonly times: number; readonly name: string } | undefined {
    return [...this.#rows.values()].reduce<Row | undefined>(
      (longest, row) => (longest && longest.times >= row.times ? longest : row),
      undefined,
    );
  }

  #finish(event: Finished): void {
    const started = this.#open.get(event.toolId);
    if (!started) return;
    this.#open.delete(event.toolId);
    const key = event.thread === 'main' ? undefined : event.thread.subagent;
    const likeness = this.#likeness(started, event);
    if (likeness === undefined) return void this.#rows.delete(key);
    const before = this.#rows.get(key);
    const name = started.summary === undefined ? started.tool : `${started.tool} ${started.summary}`;
    this.#rows.set(key, { likeness, name, times: before?.likeness === likeness ? before.times + 1 : 1 });
  }
}
