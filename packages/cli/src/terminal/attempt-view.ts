import type { TaskEvent } from '@singletree/sdk';
import { block, cost, count, duration, facts, percent } from './figures.ts';
import type { MarkName } from './marks.ts';
import type { Row } from './row.ts';
import { oneLine } from './text.ts';
import { allTokens, promptTokens, sumKnown, type Usage } from './usage.ts';

interface Spent {
  readonly tokens?: number;
  readonly micros?: number;
}

/** What is known of a running attempt, from the events of its harness alone. */
export class AttemptView {
  readonly #started: Extract<TaskEvent, { kind: 'attempt_started' }>;
  readonly #workspace: string;
  readonly #of: string | undefined;
  readonly #turns = new Set<string>();
  readonly #calls = new Map<string, Spent>();
  #stated: Spent = {};
  #window: number | undefined;
  #context: number | undefined;
  #now = '';
  #said = '';

  constructor(started: Extract<TaskEvent, { kind: 'attempt_started' }>, workspace: string, of: string | undefined) {
    this.#started = started;
    this.#workspace = workspace;
    this.#of = of;
  }

  apply(event: TaskEvent): void {
    switch (event.kind) {
      case 'model_call_finished': {
        const { callId, usage, costUsdMicros, subagentId } = event.modelCallFinished;
        this.#calls.set(callId, spent(usage, costUsdMicros));
        if (subagentId !== undefined) break;
        this.#turns.add(callId);
        this.#context = usage && promptTokens(usage);
        break;
      }
      case 'usage_total': {
        // Totals are right where a harness states them; what it told call by call was a preview.
        const { byModel, contextWindowTokens } = event.usageTotal;
        this.#stated = [this.#stated, ...byModel.map(({ usage, costUsdMicros }) => spent(usage, costUsdMicros))].reduce(add, {});
        this.#calls.clear();
        this.#window = contextWindowTokens ?? this.#window;
        break;
      }
      case 'text':
        if (event.text.subagentId === undefined) this.#said = oneLine(event.text.text);
        break;
      case 'tool_started':
        this.#now = oneLine(`${event.toolStarted.name} ${this.#short(event.toolStarted.summary ?? '')}`);
        break;
      case 'model_retried':
        this.#now = oneLine(`asks the model again: ${event.modelRetried.message ?? 'no reason given'}`);
        break;
      case 'context_compacted':
        this.#now = 'compacted its context';
        break;
      default:
    }
  }

  /** The row while it runs. */
  running(now: number): Row {
    return this.#row('in_progress', this.#facts(), now);
  }

  /** The row as it stays. */
  ended(event: Extract<TaskEvent, { kind: 'attempt_ended' }>, stopped: boolean): Row {
    const { state, exitCode, signal } = event.attemptEnded;
    const how = signal !== undefined ? `ended by ${signal}` : exitCode !== undefined && exitCode !== 0 ? `exit ${exitCode}` : undefined;
    const mark: MarkName = stopped ? 'cancelled' : state === 'lost' || how !== undefined ? 'failure' : 'in_progress';
    return this.#row(
      mark,
      facts(state === 'lost' ? 'lost: gone without an ending' : 'ended', how, ...this.#parts(false)),
      event.at.getTime(),
    );
  }

  #row(mark: MarkName, text: string, now: number): Row {
    return {
      mark,
      label: `attempt ${this.#started.attempt ?? ''}`.trimEnd(),
      text,
      note: duration(Math.max(0, now - this.#started.at.getTime())),
      ...(this.#said === '' ? {} : { details: [`the agent says: "${this.#said}"`] }),
      ...(this.#of === undefined ? {} : { of: this.#of }),
    };
  }

  #facts(): string {
    const known = facts(...this.#parts(true));
    const { harness, requestedModel } = this.#started.attemptStarted;
    return known === '' ? facts(this.#session(), harness, requestedModel) : known;
  }

  #parts(running: boolean): (string | undefined | false)[] {
    const { tokens, micros } = [this.#stated, ...this.#calls.values()].reduce(add, {});
    const share = this.#context !== undefined && this.#window ? this.#context / this.#window : undefined;
    const turns = this.#turns.size;
    const known = [
      turns > 0 && `turn ${turns}`,
      running && this.#now,
      tokens !== undefined && `${count(tokens)} tokens`,
      micros !== undefined && cost(micros),
      share !== undefined && `context ${block(share)} ${percent(share)}`,
    ];
    return known.some(Boolean) ? [this.#session(), ...known] : [];
  }

  #session(): string | undefined {
    return this.#started.attemptStarted.resumed ? 'same session' : undefined;
  }

  /** Paths in the workspace, as a person would write them there. */
  #short(summary: string): string {
    return this.#workspace === '' ? summary : summary.replaceAll(`${this.#workspace}/`, '');
  }
}

function spent(usage: Usage | undefined, micros: number | undefined): Spent {
  const tokens = usage && allTokens(usage);
  return { ...(tokens === undefined ? {} : { tokens }), ...(micros === undefined ? {} : { micros }) };
}

function add(left: Spent, right: Spent): Spent {
  const tokens = sumKnown([left.tokens, right.tokens]);
  const micros = sumKnown([left.micros, right.micros]);
  return { ...(tokens === undefined ? {} : { tokens }), ...(micros === undefined ? {} : { micros }) };
}
