import { defined, objectOf, stringOf, type HarnessEventBody, type JsonObject, type Thread } from '@singletree/harness';
import { endedUsage, messageTokens } from './tokens.ts';

interface Message {
  readonly begun: JsonObject;
  isTold: boolean;
}

/** The messages as they stream (`--include-partial-messages`). The last event but one of a message repeats its usage, output included, before any
 *  of its tools runs. */
export class Stream {
  /** By thread: one message at a time. */
  readonly #messages = new Map<string, Message>();

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
        message.isTold = true;
        const usage = messageTokens(endedUsage(objectOf(message.begun['usage']), objectOf(event['usage'])));
        const goesOn = /^(tool_use|pause_turn)$/.test(stringOf(objectOf(event['delta'])['stop_reason']) ?? '') ? true : undefined;
        return [defined({ kind: 'model.call', callId, thread, model: stringOf(message.begun['model']), usage, goesOn })];
      }
      case 'message_stop':
        this.#messages.delete(key);
        return [];
      default:
        return [];
    }
  }

  /** What is to be said of messages of which no more will come. */
  abandoned(): readonly HarnessEventBody[] {
    return [...this.#messages.keys()].flatMap((key) => this.#cut(key));
  }

  #cut(key: string): readonly HarnessEventBody[] {
    const message = this.#messages.get(key);
    this.#messages.delete(key);
    if (!message || message.isTold) return [];
    return [{ kind: 'usage.incomplete', reason: 'an answer that broke off is counted in the next total only' }];
  }
}
