/** Sends the body of one OTLP request. Resolves with whether it arrived; never rejects. */
export type Post = (body: Uint8Array, signal: AbortSignal) => Promise<{ readonly kind: string; readonly error?: string }>;

export interface ExporterParts<T> {
  readonly serialise: (items: T) => Uint8Array | undefined;
  readonly post: Post;
  /** Aborts what is under way, and lets nothing more begin. */
  readonly cut: AbortSignal;
}

interface ExportResult {
  /** As the SDK has it: 0 for success, 1 for failure. */
  readonly code: 0 | 1;
  readonly error?: Error;
}

/** What the SDK gives its spans and points to: sent as the outbox sends, with the same address, certificates and headers, once. */
export class Exporter<T> {
  readonly #parts: ExporterParts<T>;
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: ExporterParts<T>) {
    this.#parts = parts;
  }

  export(items: T, done: (result: ExportResult) => void): void {
    const sending = this.#exported(items, done).finally(() => this.#underWay.delete(sending));
    this.#underWay.add(sending);
  }

  async forceFlush(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
  }

  async #exported(items: T, done: (result: ExportResult) => void): Promise<void> {
    done(await this.#send(items).catch((error: unknown) => ({ code: 1, error: new Error('not sent', { cause: error }) })));
  }

  async #send(items: T): Promise<ExportResult> {
    const { serialise, post, cut } = this.#parts;
    const body = serialise(items);
    if (!body || cut.aborted) return { code: 1, error: new Error('not sent') };
    const { kind, error } = await post(body, cut);
    return kind === 'acknowledged' ? { code: 0 } : { code: 1, error: new Error(error ?? kind) };
  }
}
