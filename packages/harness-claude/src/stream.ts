import { defined, objectOf, stringOf, type HarnessEventBody, type JsonObject, type Thread } from '@singletree/harness';
import { answerBrokeOff } from './incomplete.ts';
import type { Span } from './span.ts';
import { callEvent, endedUsage, messageTokens } from './tokens.ts';

interface Message {
  readonly begun: JsonObject;
  isTold: boolean;
}

/** The messages as they stream (`--include-partial-messages`). The last event but one of a message repeats its usage, output included, before any
 *  of its tools runs; one that broke off has none. */
export class Stream {
  /** By thread: one message at a time. */
  readonly #messages = new Map<string, Message>();
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  read(json: JsonObject, thread: Thread): readonly HarnessEventBody[] {
    const event = objectOf(json['event']);
    const key = thread === 'main' ? '' : thread.subagent;
    switch (event['type']) {
      case 'message_start': {
        const cut = this.#cut(key);
        this.#messages.set(key, { begun: objectOf(event['message']), isTold: false });
        return cut;
      }
      case 'message_delta': {
        const message = this.#messages.get(key);
        const callId = stringOf(message?.begun['id']);
        if (!message || callId === undefined) return [];
        const stopReason = stringOf(objectOf(event['delta'])['stop_reason']);
        // Without a reason it is the CLI's own end of an answer that broke off, and repeats its beginning.
        if (stopReason === undefined) return [];
        message.isTold = true;
        const usage = messageTokens(endedUsage(objectOf(message.begun['usage']), objectOf(event['usage'])));
        return [callEvent(callId, thread, message.begun, usage, stopReason)];
      }
      case 'message_stop':
        return this.#cut(key);
      default:
        return [];
    }
  }

  /** What is to be said of messages of which no more will come: another call begins, or nobody waits any longer. */
  abandoned(): readonly HarnessEventBody[] {
    return [...this.#messages.keys()].flatMap((key) => this.#cut(key));
  }

  #cut(key: string): readonly HarnessEventBody[] {
    const message = this.#messages.get(key);
    this.#messages.delete(key);
    if (!message || message.isTold) return [];
    const { id, model, usage } = message.begun;
    this.#span.cut(defined({ callId: stringOf(id), model: stringOf(model), usage: messageTokens(objectOf(usage)) }));
    return [answerBrokeOff];
  }
}
