import type { TaskEvent } from '@singletree/sdk';

type EventOf<K extends TaskEvent['kind']> = Extract<TaskEvent, { readonly kind: K }>;

/** The events of one task as they come in, for whoever waits for one of them. */
export class EventLog {
  readonly #events: TaskEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #ended = Promise.withResolvers<never>();

  constructor() {
    // Nobody may be waiting when it ends.
    this.#ended.promise.catch(() => undefined);
  }

  get all(): readonly TaskEvent[] {
    return this.#events;
  }

  add(event: TaskEvent): void {
    this.#events.push(event);
    for (const look of this.#waiting) look();
  }

  /** No more events come: whoever still waits, or will, gets the reason. */
  end(reason: unknown): void {
    this.#ended.reject(reason);
  }

  /** The first event of this kind that fits, past or to come. */
  async first<K extends TaskEvent['kind']>(kind: K, fits: (event: EventOf<K>) => boolean = () => true): Promise<EventOf<K>> {
    const isIt = (event: TaskEvent): event is EventOf<K> => event.kind === kind && fits(event as EventOf<K>);
    const found = Promise.withResolvers<EventOf<K>>();
    const look = (): void => {
      const event = this.#events.find(isIt);
      if (event) found.resolve(event);
    };
    look();
    this.#waiting.add(look);
    try {
      return await this.orEnd(found.promise);
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** What is promised, unless the events end before. */
  async orEnd<T>(promise: Promise<T>): Promise<T> {
    return await Promise.race([promise, this.#ended.promise]);
  }
}
