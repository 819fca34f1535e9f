import { clip, defined, type HarnessEventBody } from '@singletree/harness';
import type { LogLine } from './log.ts';

type Events = readonly HarnessEventBody[];

/** Tokens that no file tells either. */
export const untoldTitle = 'a title was thought of, whose tokens are told nowhere';

interface Failure {
  readonly reason: string;
  readonly at: number | undefined;
}

/**
 * What the CLI logs of its sessions: which model is asked in which of them, and what of that failed and is tried again. Session and CLI
 * version come with the session's making, the model with each call. The first session that is named is the one of the run.
 */
export class OwnLog {
  #main: string | undefined;
  #version: string | undefined;
  #model: string | undefined;
  #callModel: string | undefined;
  #isCompaction = false;
  readonly #subagents = new Map<string, 'running' | 'ended'>();
  readonly #failures = new Map<string, Failure>();

  /** The model of the main session's newest call, as `provider/model`. */
  get callModel(): string | undefined {
    return this.#callModel;
  }

  /** Whether the main session's newest call writes the summary of a compaction. */
  get isCompaction(): boolean {
    return this.#isCompaction;
  }

  /** Called with every line of output: one may come without a log before it. */
  begin(sessionId: string | undefined): Events {
    if (sessionId === undefined || this.#main !== undefined) return [];
    this.#main = sessionId;
    return [this.#started(sessionId)];
  }

  read(line: LogLine): Events {
    const session = line.field('session.id');
    switch (line.message) {
      case 'created':
        return this.#created(line);
      case 'loop':
        return this.begin(session);
      case 'process': // another call, and not the same again
        if (session !== undefined) this.#failures.delete(session);
        return [];
      case 'stream':
        return session === undefined ? [] : [...this.begin(session), ...this.#stream(line, session)];
      case 'stream error':
        if (session !== undefined)
          this.#failures.set(session, { reason: clip(line.field('error.error') ?? 'no reason given', 2048), at: line.at });
        return [];
      case 'exiting loop':
        return session === undefined ? [] : this.endSubagent(session);
      default:
        return [];
    }
  }

  /** A sub-agent as the tool that ran it tells of it. */
  ranSubagent(subagent: string, name: string | undefined): Events {
    return [...this.#beginSubagent(subagent, name), ...this.endSubagent(subagent)];
  }

  endSubagent(subagent: string): Events {
    if (this.#subagents.get(subagent) !== 'running') return [];
    this.#subagents.set(subagent, 'ended');
    return [{ kind: 'subagent.ended', subagent }];
  }

  #created(line: LogLine): Events {
    const [id, parent] = [line.field('id'), line.field('parentID')];
    if (id === undefined || !id.startsWith('ses_')) return [];
    if (parent !== undefined) return this.#beginSubagent(id, line.field('agent'));
    this.#version ??= line.field('version');
    return this.begin(id);
  }

  #beginSubagent(subagent: string, name: string | undefined): Events {
    if (this.#subagents.has(subagent)) return [];
    this.#subagents.set(subagent, 'running');
    return [
      defined({ kind: 'subagent.started', subagent, name }),
      { kind: 'usage.incomplete', reason: 'a sub-agent has a session of its own' },
    ];
  }

  #stream(line: LogLine, session: string): Events {
    if (line.field('small') === 'true') return [{ kind: 'usage.incomplete', reason: untoldTitle }];
    return [...this.#retry(line, session), ...(session === this.#main ? this.#mainCall(line, session) : [])];
  }

  #retry(line: LogLine, session: string): Events {
    const failure = this.#failures.get(session);
    if (!failure) return [];
    this.#failures.delete(session);
    const delayMs = failure.at === undefined || line.at === undefined ? undefined : Math.max(0, line.at - failure.at);
    return [defined({ kind: 'model.retried', reason: failure.reason, delayMs })];
  }

  #mainCall(line: LogLine, session: string): Events {
    const [provider, model] = [line.field('providerID'), line.field('modelID')];
    this.#callModel = provider === undefined || model === undefined ? undefined : `${provider}/${model}`;
    this.#isCompaction = line.field('agent') === 'compaction';
    // A compaction may have a model of its own: it is not the one that the session runs.
    if (this.#isCompaction || this.#callModel === undefined || this.#callModel === this.#model) return [];
    this.#model = this.#callModel;
    return [this.#started(session)];
  }

  #started(sessionId: string): HarnessEventBody {
    return defined({ kind: 'session.started', sessionId, model: this.#model, harnessVersion: this.#version });
  }
}
