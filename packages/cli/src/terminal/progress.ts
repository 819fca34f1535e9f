import type { Heartbeat, TaskEvent } from '@singletree/sdk';
import { AttemptView } from './attempt-view.ts';
import { age, duration, exact, facts, plural } from './figures.ts';
import { gateRow } from './gate.ts';
import { markOfBlocked } from './marks.ts';
import type { Row } from './row.ts';
import type { OpenRow, Screen } from './screen.ts';
import { oneLine } from './text.ts';
import { allTokens, atLeast, type Usage } from './usage.ts';

export interface ProgressOptions {
  /** Which of several tasks this is; said in front of each row. */
  readonly of?: string | undefined;
  /** Time now, in milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/** Tells on a screen what happens to one task, from its events. The completion is the caller's to show: it is the result. */
export class Progress {
  readonly #screen: Screen;
  readonly #of: string | undefined;
  readonly #now: () => number;
  #attempt: { readonly view: AttemptView; readonly row: OpenRow } | undefined;
  /** The setup command or gate that runs; there is one at a time. */
  #step: OpenRow | undefined;
  #waiting: OpenRow | undefined;
  #wait = '';
  #asksAgain = '';
  #workspace = '';
  #stopped = false;

  constructor(screen: Screen, { of, now = Date.now }: ProgressOptions = {}) {
    this.#screen = screen;
    this.#of = of;
    this.#now = now;
  }

  apply(event: TaskEvent): void {
    this.#endWaiting();
    switch (event.kind) {
      case 'workspace_opened':
        this.#workspace = event.workspaceOpened.path;
        this.#opened(event.workspaceOpened);
        break;
      case 'setup_started': {
        const { command } = event.setupStarted;
        this.#open({ mark: 'in_progress', label: 'setup', text: oneLine(command) }, event.at);
        break;
      }
      case 'setup_finished':
        this.#close(setupRow(event.setupFinished));
        break;
      case 'attempt_started': {
        const view = new AttemptView(event, this.#workspace, this.#of);
        const tick = (): Row => view.running(this.#now());
        this.#asksAgain = '';
        this.#attempt = { view, row: this.#screen.open({ ...view.running(event.at.getTime()), note: '' }, tick) };
        break;
      }
      case 'attempt_ended':
        this.#attempt?.row.settle(this.#attempt.view.ended(event, this.#stopped));
        this.#attempt = undefined;
        break;
      case 'gate_started': {
        const { name } = event.gateStarted;
        this.#open({ mark: 'in_progress', label: `gate ${oneLine(name)}`, text: 'runs' }, event.at);
        break;
      }
      case 'gate_finished':
        this.#close(gateRow(event.gateFinished));
        break;
      case 'process_lost':
        this.#lost(event.processLost.role);
        break;
      case 'adopted':
        this.#row({ mark: 'success', label: 'adopted', text: 'by a daemon that was started again · the same attempt' });
        break;
      case 'stop_requested':
        this.#stopped = true;
        this.#row({ mark: 'cancelled', label: event.stopRequested.kind.replaceAll('_', ' '), text: stopText(event.stopRequested) });
        break;
      case 'state_changed':
        this.#stateChanged(event.stateChanged, event.at);
        break;
      case 'permission_denied': {
        const { tool, message } = event.permissionDenied;
        this.#row({ mark: 'warning', label: 'denied', text: oneLine(facts(tool, message)) });
        break;
      }
      case 'model_retried':
        this.#attempt?.view.apply(event);
        if (!this.#screen.look.live) this.#retried(event.modelRetried);
        break;
      case 'rate_limited': {
        const { message, resetsAt } = event.rateLimited;
        const until = resetsAt && `until ${resetsAt.toTimeString().slice(0, 5)}`;
        this.#row({ mark: 'warning', label: 'rate limit', text: oneLine(facts(message, until)) });
        break;
      }
      case 'usage_corrected':
        this.#row({ label: 'usage', text: correctionText(event.usageCorrected) });
        break;
      case 'warning':
        this.#row({ mark: 'warning', label: 'warning', text: oneLine(event.warning.message) });
        break;
      case 'completed':
        this.close();
        break;
      default:
        this.#attempt?.view.apply(event);
    }
  }

  /** What a quiet task waits for. */
  waiting({ waiting }: Pick<Heartbeat, 'waiting'>): void {
    const text = waiting && waitingText(waiting, this.#now());
    if (text === this.#wait) return;
    this.#endWaiting();
    if (text === undefined) return;
    this.#wait = text;
    this.#waiting = this.#screen.open(this.#mine({ label: 'waiting', text }));
  }

  /** A row of the caller's own, in order with the others. */
  row(row: Row): void {
    this.#row(row);
  }

  /** Leaves what is shown as it is: the task is over, or nobody watches any longer. */
  close(): void {
    this.#endWaiting();
    this.#attempt?.row.settle();
    this.#step?.settle();
    this.#attempt = this.#step = undefined;
  }

  #opened({ mode, uncommittedFiles }: Extract<TaskEvent, { kind: 'workspace_opened' }>['workspaceOpened']): void {
    if (mode === 'in_place' || !uncommittedFiles) return;
    const files = uncommittedFiles === 1 ? '1 uncommitted file is' : `${uncommittedFiles} uncommitted files are`;
    this.#row({ mark: 'warning', label: 'workspace', text: `${mode} from HEAD; ${files} not in it` });
  }

  #stateChanged(change: Extract<TaskEvent, { kind: 'state_changed' }>['stateChanged'], at: Date): void {
    const why = oneLine(change.message ?? change.reason ?? '');
    switch (change.edge) {
      case 'retry': {
        const wait = change.notBefore && `next attempt in ${duration(change.notBefore.getTime() - at.getTime())}`;
        return this.#row({ mark: 'rework', label: 'retry', text: facts(why, wait) });
      }
      case 'rework':
        return this.#row({ mark: 'rework', label: 'rework', text: facts('sent back with the findings', why) });
      case 'block':
        return this.#row({
          mark: markOfBlocked(change.reason),
          label: 'blocked',
          text: facts(change.reason, change.reason !== why && why),
        });
      case 'unblock':
        return this.#row({ mark: 'in_progress', label: 'unblocked', text: 'goes on' });
      default:
    }
  }

  /** Without motion the row of the attempt does not show it, and a harness may go on asking for minutes: said once for each reason. */
  #retried({ message = 'no reason given', status }: Extract<TaskEvent, { kind: 'model_retried' }>['modelRetried']): void {
    const code = status === undefined || message.includes(`${status}`) ? '' : ` (${status})`;
    const why = oneLine(`asks again: ${message}${code}`);
    if (why !== this.#asksAgain) this.#row({ mark: 'warning', label: 'model', text: why });
    this.#asksAgain = why;
  }

  #lost(role: string): void {
    if (role === 'harness') return;
    this.#close({ mark: 'warning', label: role, text: 'its supervisor died; it is run again' });
  }

  #open(row: Row, since: Date): void {
    const tick = (): Row => this.#mine({ ...row, note: duration(Math.max(0, this.#now() - since.getTime())) });
    this.#step = this.#screen.open(this.#mine(row), tick);
  }

  #close(row: Row): void {
    if (this.#step) this.#step.settle(this.#mine(row));
    else this.#row(row);
    this.#step = undefined;
  }

  #endWaiting(): void {
    this.#waiting?.settle();
    this.#waiting = undefined;
    this.#wait = '';
  }

  #row(row: Row): void {
    this.#screen.row(this.#mine(row));
  }

  #mine(row: Row): Row {
    return this.#of === undefined ? row : { ...row, of: this.#of };
  }
}

function setupRow({
  command,
  exitCode,
  signal,
  durationMs,
  message,
  outputTail,
}: Extract<TaskEvent, { kind: 'setup_finished' }>['setupFinished']): Row {
  const time = durationMs === undefined ? undefined : `in ${duration(durationMs)}`;
  if (exitCode === 0) return { mark: 'success', label: 'setup', text: facts(oneLine(command), time) };
  const how = message ?? (signal === undefined ? `exit ${exitCode ?? 'unknown'}` : `ended by ${signal}`);
  return { mark: 'failure', label: 'setup', text: facts(oneLine(command), oneLine(how), time), ...tail(outputTail) };
}

function tail(output: string | undefined): { details?: string[] } {
  const lines = (output ?? '').trimEnd().split('\n').slice(-5).map(oneLine);
  return lines.join('') === '' ? {} : { details: lines };
}

function stopText({ by, why, scope }: { readonly by?: string; readonly why?: string; readonly scope?: string }): string {
  return oneLine(facts(by === undefined ? 'asked for' : `asked for by ${by}`, scope, why));
}

/** `2 ahead · harness limit 2/2 · about 4 min` */
export function waitingText(waiting: NonNullable<Heartbeat['waiting']>, now: number): string {
  const { waitingFor, tasksAhead, message, until } = waiting;
  const rest = until && `about ${age(until.getTime() - now)}`;
  return oneLine(
    facts(tasksAhead !== undefined && tasksAhead > 0 && `${tasksAhead} ahead`, message ?? waitingFor.replaceAll('_', ' '), rest),
  );
}

type Correction = Extract<TaskEvent, { kind: 'usage_corrected' }>['usageCorrected'];

function correctionText({ told, corrected, callsTold, callsFound }: Correction): string {
  return `the session's files tell ${usageText(corrected, callsFound)}; the harness had told ${usageText(told, callsTold)}`;
}

function usageText(usage: Usage | undefined, calls: number): string {
  if (usage === undefined) return 'nothing';
  return `${atLeast(usage.lowerBound)}${exact(allTokens(usage) ?? 0)} tokens in ${plural(calls, 'call')}`;
}
