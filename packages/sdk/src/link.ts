import { createClient, type CallOptions, type Client, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { DescService } from '@bufbuild/protobuf';
import { findAddress, socketPath, type AddressOptions } from './address.ts';
import { errorFrom } from './errors.ts';

/**
 * The way to the daemon. Each call looks up the address, since a daemon that was started again may have another one, and opens a connection
 * of its own: on a unix socket that costs next to nothing, and there is no state that a daemon could leave broken behind it.
 */
export class Link {
  readonly #options: AddressOptions;
  #reached = false;

  constructor(options: AddressOptions) {
    this.#options = options;
  }

  /** Whether a daemon has ever answered. One that has is worth waiting for when it is gone. */
  get reached(): boolean {
    return this.#reached;
  }

  /** Makes one call. What it throws is a `SingletreeError` wherever the call is to blame, and the signal's reason if it was aborted. */
  async call<S extends DescService, T>(
    service: S,
    call: (client: Client<S>, options: CallOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted();
    const { client, address } = this.#to(service);
    try {
      const answer = await call(client, signal ? { signal } : {});
      this.#reached = true;
      return answer;
    } catch (error) {
      signal?.throwIfAborted();
      throw errorFrom(error, address);
    }
  }

  /**
   * Opens a stream. Throws like `call`, and, where the stream has signs of life, `ConnectionLostError` if nothing comes for `silenceMs`
   * while somebody waits for the next message.
   */
  async *stream<S extends DescService, T>(
    service: S,
    open: (client: Client<S>, options: CallOptions) => AsyncIterable<T>,
    { silenceMs, signal }: { silenceMs?: number; signal?: AbortSignal | undefined },
  ): AsyncGenerator<T, void, undefined> {
    signal?.throwIfAborted();
    const { client, address } = this.#to(service);
    const stop = new AbortController();
    const messages = open(client, { signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const alarm = silenceMs === undefined ? undefined : setTimeout(() => stop.abort(), silenceMs);
        const next = await messages.next().finally(() => clearTimeout(alarm));
        if (next.done === true) return;
        this.#reached = true;
        yield next.value;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw errorFrom(error, address);
    } finally {
      stop.abort();
    }
  }

  #to<S extends DescService>(service: S): { readonly client: Client<S>; readonly address: string } {
    const address = findAddress(this.#options);
    return { client: createClient(service, transportTo(socketPath(address))), address };
  }
}

/** HTTP/1.1, because connect-node never settles a call on an HTTP/2 session that a dying server closed in good order. */
function transportTo(path: string): Transport {
  return createConnectTransport({
    // HTTP wants an authority, although a socket has none.
    baseUrl: 'http://localhost',
    httpVersion: '1.1',
    nodeOptions: { socketPath: path, agent: false },
    // Compression would only cost time: nothing leaves the machine.
    acceptCompression: [],
  });
}
