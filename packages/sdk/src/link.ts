import { Code, ConnectError, createClient, type CallOptions, type Client } from '@connectrpc/connect';
import type { DescService } from '@bufbuild/protobuf';
import { findAddress, parseAddress } from './address.ts';
import { findToken, tlsFiles, type ConnectOptions } from './credentials.ts';
import { Bounds, type CallSettings } from './deadline.ts';
import { ConnectionLostError, DeadlineError, isPassing, NoDaemonError } from './errors.ts';
import { failureOf, type Called } from './failure.ts';
import { Retry } from './retry.ts';
import { Connections, transportTo } from './transport.ts';

/** How long a call that changes something is repeated when the daemon goes away in its middle. */
const repeatForMs = 5_000;
/** A deadline beyond this is none: the daemon takes none that is further away, and no timer of Node can wait for a month. */
const longestTimeoutMs = 7 * 86_400_000;

type Calling<S extends DescService, T> = (client: Client<S>, options: CallOptions) => T;

/**
 * The way to the daemon. Each call looks up the address and the token, since a daemon that was started again may have others. On a unix socket
 * it opens a connection of its own; over TCP, where that takes time, it leaves it to the next one.
 */
export class Link {
  readonly #options: ConnectOptions;
  readonly #connections = new Connections();
  #reached = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** Whether a stream that ended with this error may be taken up again in a moment. A daemon that never answered is not waited for. */
  mayComeBack(error: unknown): boolean {
    return isPassing(error) || (error instanceof NoDaemonError && this.#reached);
  }

  /** Makes one call. What it throws is a `SingletreeError` wherever the call is to blame, and the signal's reason if it was aborted. */
  async call<S extends DescService, T>(service: S, call: Calling<S, Promise<T>>, settings?: CallSettings): Promise<T> {
    const bounds = new Bounds(settings);
    const called = this.#called(bounds);
    try {
      return await this.#make(called, service, call, bounds);
    } catch (error) {
      if (!(error instanceof ConnectionLostError) || called.to.kind === 'unix') throw error;
      // A connection that was left over may be closed just as it is used. Whatever is called may be called twice: it reads, or has a request id.
      return await this.#make(this.#called(bounds), service, call, bounds).catch((again: unknown) => {
        throw again instanceof NoDaemonError ? error : again;
      });
    }
  }

  /** Makes a call again if the daemon went away in its middle. Only for calls that a request id makes safe to repeat. */
  async change<S extends DescService, T>(service: S, call: Calling<S, Promise<T>>, settings?: CallSettings): Promise<T> {
    const bounds = new Bounds(settings);
    const retry = new Retry(repeatForMs);
    for (let wentAway = false; ;) {
      try {
        return await this.call(service, call, bounds);
      } catch (error) {
        // No daemon at the first try is an answer. After a lost call it is one that is being started again.
        wentAway ||= isPassing(error);
        if (!wentAway || !(isPassing(error) || error instanceof NoDaemonError) || !(await retry.wait(bounds))) throw error;
      }
    }
  }

  /**
   * Opens a stream. Throws like `call`, and, where the stream has signs of life, `ConnectionLostError` if nothing comes for `silenceMs`
   * while somebody waits for the next message.
   */
  async *stream<S extends DescService, T>(
    service: S,
    open: Calling<S, AsyncIterable<T>>,
    { silenceMs, bounds }: { readonly silenceMs?: number; readonly bounds: Bounds },
  ): AsyncGenerator<T, void, undefined> {
    const { signal } = bounds;
    const called = this.#called(bounds);
    const client = this.#client(called, service);
    const stop = new AbortController();
    const stopped = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
    const messages = open(client, { ...optionsOf(bounds), signal: stopped })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const alarm = silenceMs === undefined ? undefined : setTimeout(() => stop.abort(), silenceMs);
        const next = await messages.next().finally(() => clearTimeout(alarm));
        if (next.done === true) return;
        this.#reached = true;
        yield next.value;
      }
    } catch (error) {
      throw failed(error, called, bounds);
    } finally {
      stop.abort();
    }
  }

  async #make<S extends DescService, T>(called: Called, service: S, call: Calling<S, Promise<T>>, bounds: Bounds): Promise<T> {
    const client = this.#client(called, service);
    try {
      const answer = await call(client, optionsOf(bounds));
      this.#reached = true;
      return answer;
    } catch (error) {
      throw failed(error, called, bounds);
    }
  }

  #called(bounds: Bounds): Called {
    bounds.throwIfOver();
    const address = findAddress(this.#options);
    const to = parseAddress(address);
    return { address, to, ...(to.kind === 'unix' ? {} : { token: findToken(this.#options, to) }) };
  }

  #client<S extends DescService>(called: Called, service: S): Client<S> {
    return createClient(service, transportTo(called, called.to.kind === 'https' ? tlsFiles(this.#options) : {}, this.#connections));
  }
}

function optionsOf({ signal, timeoutMs }: CallSettings): CallOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    // Whole milliseconds, as they stand in a header.
    ...(timeoutMs === undefined || timeoutMs > longestTimeoutMs ? {} : { timeoutMs: Math.ceil(timeoutMs) }),
  };
}

/** What a call has come to: its own end, where it was over, else what it failed by. */
function failed(error: unknown, called: Called, bounds: Bounds): unknown {
  if (bounds.signal?.aborted) return bounds.signal.reason;
  if (bounds.timeoutMs !== undefined && error instanceof ConnectError && error.code === Code.DeadlineExceeded)
    return new DeadlineError(error);
  return failureOf(error, called);
}
