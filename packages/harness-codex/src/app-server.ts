import {
  addByModel,
  arrayOf,
  clip,
  countOf,
  defined,
  entryOf,
  instantOf,
  isJsonObject,
  objectOf,
  stringOf,
  subtractTokens,
  usesTokens,
  type EndEvidence,
  type HarnessEventBody,
  type JsonObject,
  type ModelUsage,
  type Thread,
  type TokenUsage,
} from '@singletree/harness';
import { failure, statusOf } from './ending.ts';
import { itemEvents } from './items.ts';
import { disjoint } from './tokens.ts';

type Events = readonly HarnessEventBody[];

/** What `codex app-server` says: read when somebody decodes a recording of it. It is not what the daemon runs. */
export class AppServer {
  readonly #tools = new Set<string>();
  readonly #threads = new Map<string, { model: string | undefined; total: TokenUsage; calls: number }>();
  readonly #turns = new Set<string>();
  #main: string | undefined;
  #isCompacting = false;
  #windowTokens: number | undefined;
  #used: ModelUsage[] = [];

  /** Undefined for a message that is not known. */
  read(message: JsonObject): Events | undefined {
    const params = objectOf(message['params']);
    const method = stringOf(message['method']);
    switch (method) {
      case undefined:
        return isJsonObject(message['result']) ? this.#thread(objectOf(message['result'])) : undefined;
      case 'thread/started':
        return this.#thread(params);
      case 'item/started':
      case 'item/completed':
        return this.#item(objectOf(params['item']), method === 'item/completed');
      case 'turn/started':
        this.#turns.add(stringOf(objectOf(params['turn'])['id']) ?? '');
        return [];
      case 'thread/tokenUsage/updated':
        return this.#counted(params);
      case 'account/rateLimits/updated':
        return usedUp(objectOf(params['rateLimits']));
      case 'error': {
        const reason = clip(stringOf(objectOf(params['error'])['message']) ?? 'no reason given', 2048);
        return params['willRetry'] === true
          ? [defined({ kind: 'model.retried', reason, status: statusOf(reason) })]
          : [{ kind: 'warning', message: reason }];
      }
      case 'configWarning':
      case 'deprecationNotice':
      case 'warning':
        return [{ kind: 'warning', message: clip(stringOf(params['summary']) ?? stringOf(params['message']) ?? 'no reason given', 2048) }];
      case 'turn/completed':
        return params['threadId'] === this.#main ? this.#ended(objectOf(params['turn'])) : [];
      default:
        return isSilent(method) ? [] : undefined;
    }
  }

  #thread(params: JsonObject): Events {
    const thread = objectOf(params['thread']);
    const id = stringOf(thread['id']);
    if (id === undefined || this.#threads.has(id)) return [];
    const model = stringOf(thread['model']);
    this.#threads.set(id, { model, total: {}, calls: 0 });
    if (this.#main !== undefined) return [defined({ kind: 'subagent.started', subagent: id, name: stringOf(thread['agentNickname']) })];
    this.#main = id;
    return [defined({ kind: 'session.started', sessionId: id, model, harnessVersion: stringOf(thread['cliVersion']) })];
  }

  #item(item: JsonObject, completed: boolean): Events | undefined {
    if (item['type'] === 'contextCompaction') {
      this.#isCompacting = !completed;
      return completed ? [{ kind: 'compaction' }] : [];
    }
    const type = entryOf(itemTypes, item['type']);
    if (type === undefined) return undefined;
    if (type === 'silent') return [];
    const changes = arrayOf(item['changes']).map((change) => ({ ...objectOf(change), kind: objectOf(objectOf(change)['kind'])['type'] }));
    const plain = { ...item, type, changes, exit_code: item['exitCode'], aggregated_output: item['aggregatedOutput'] };
    return itemEvents(plain, completed, this.#tools);
  }

  #counted(params: JsonObject): Events {
    const id = stringOf(params['threadId']) ?? '';
    const usage = objectOf(params['tokenUsage']);
    const thread = this.#threads.get(id) ?? { model: undefined, total: {}, calls: 0 };
    this.#threads.set(id, thread);
    if (id === this.#main) this.#windowTokens = countOf(usage['modelContextWindow']) ?? this.#windowTokens;
    const total = tokensOf(objectOf(usage['total']));
    const used = subtractTokens(total, thread.total);
    // The same total is told again when limits or the context have changed.
    if (!usesTokens(used)) return [];
    thread.total = total;
    // What a thread had used before it was resumed or forked is told with a turn of that time.
    const turn = stringOf(params['turnId']);
    if (id === this.#main && turn !== undefined && !this.#turns.has(turn)) return [];
    this.#used.push(defined({ model: thread.model, usage: used }));
    // What writes the summary of a compaction is no turn: the total at the end holds it.
    if (this.#isCompacting && id === this.#main) return [{ kind: 'usage.incomplete', reason: 'a compaction' }];
    thread.calls += 1;
    const who: Thread = id === this.#main ? 'main' : { subagent: id };
    return [defined({ kind: 'model.call', callId: `${id}:${thread.calls}`, thread: who, model: thread.model, usage: used })];
  }

  #ended(turn: JsonObject): Events {
    const byModel = addByModel(this.#used);
    this.#used = [];
    const total = defined({ kind: 'usage.total', byModel, contextWindowTokens: this.#windowTokens });
    return [total, { kind: 'ended', evidence: endingOf(turn) }];
  }
}

const itemTypes: Readonly<Record<string, string>> = {
  userMessage: 'silent',
  hookPrompt: 'silent',
  plan: 'silent',
  reasoning: 'reasoning',
  agentMessage: 'agent_message',
  commandExecution: 'command_execution',
  fileChange: 'file_change',
  mcpToolCall: 'mcp_tool_call',
  collabAgentToolCall: 'collab_tool_call',
  webSearch: 'web_search',
};

function isSilent(method: string): boolean {
  return (
    /\/(delta|outputDelta|textDelta|summaryTextDelta|summaryPartAdded)$|^turn\/(diff|plan)\/updated$|^thread\/(status|name|settings|goal)\//.test(
      method,
    ) || method.startsWith('remoteControl/')
  );
}

function tokensOf(usage: JsonObject): TokenUsage {
  return disjoint({
    input: usage['inputTokens'],
    cacheRead: usage['cachedInputTokens'],
    cacheWrite: usage['cacheWriteInputTokens'],
    output: usage['outputTokens'],
    reasoning: usage['reasoningOutputTokens'],
  });
}

function usedUp(limits: JsonObject): Events {
  const full = ['primary', 'secondary'].map((name) => objectOf(limits[name])).filter((limit) => Number(limit['usedPercent']) >= 100);
  const ends = full.flatMap((limit) => instantOf(limit['resetsAt'], 1000) ?? []);
  return ends.length === 0 ? [] : [{ kind: 'rate.limited', resetsAtMs: Math.max(...ends) }];
}

function endingOf(turn: JsonObject): EndEvidence {
  if (turn['status'] === 'completed') return { result: 'completed' };
  if (turn['status'] === 'interrupted') return { result: 'interrupted' };
  return failure(stringOf(objectOf(turn['error'])['message']) ?? 'no reason given');
}
