import { styleText } from 'node:util';
import type { FailureReason, Outcome, TaskState } from '@singletree/sdk';
import type { Look } from './look.ts';

type Color = 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'dim' | 'bold';

/** One table of mark, word and colour for everything that is shown. Nothing is told by colour alone. */
export const marks = {
  in_progress: { mark: '●', ascii: '*', word: 'in progress', color: 'cyan' },
  success: { mark: '✓', ascii: '+', word: 'success', color: 'green' },
  partial: { mark: '◐', ascii: '~', word: 'partial', color: 'yellow' },
  failure: { mark: '✗', ascii: 'x', word: 'failure', color: 'red' },
  timeout: { mark: '⏱', ascii: 'T', word: 'timeout', color: 'red' },
  rework: { mark: '↻', ascii: '<', word: 'rework', color: 'yellow' },
  blocked: { mark: '‖', ascii: '=', word: 'blocked', color: 'yellow' },
  needs_you: { mark: '?', ascii: '?', word: 'needs you', color: 'magenta' },
  cancelled: { mark: '⊘', ascii: '-', word: 'cancelled', color: 'dim' },
  warning: { mark: '!', ascii: '!', word: 'warning', color: 'yellow' },
} as const satisfies Record<string, { mark: string; ascii: string; word: string; color: Color }>;

export type MarkName = keyof typeof marks;

export function markOf(name: MarkName, look: Look): string {
  const { mark, ascii, color } = marks[name];
  return paint(look, color, look.unicode ? mark : ascii);
}

export function paint(look: Look, color: Color, text: string): string {
  return look.color && text !== '' ? styleText(color, text, { validateStream: false }) : text;
}

/** For `--help`: the marks and their words. */
export function legend(look: Look): string {
  return (Object.keys(marks) as MarkName[]).map((name) => `${markOf(name, look)} ${marks[name].word}`).join('   ');
}

export function markOfOutcome(outcome: Outcome, reason?: string): MarkName {
  return reason === 'cancelled' || reason === 'terminated' ? 'cancelled' : outcome;
}

/** Time alone opens some of the doors; the others need a person. */
export function markOfBlocked(reason: FailureReason | undefined): MarkName {
  return reason === 'unauthenticated' ? 'needs_you' : 'blocked';
}

export function markOfState(state: TaskState): MarkName | undefined {
  switch (state) {
    case 'created':
    case 'assigned':
      return undefined;
    case 'in_progress':
    case 'in_review':
      return 'in_progress';
    case 'blocked':
      return 'blocked';
    case 'completed':
      return 'success';
    case 'failed':
      return 'failure';
    case 'cancelled':
      return 'cancelled';
  }
}

/** Our own typography where only ASCII can be shown. Letters of other scripts stay: there is no stand-in for them. */
const stand: Readonly<Record<string, string>> = { '·': '-', '…': '...', '–': '-', '−': '-', '≥': '>=', '→': '->' };

export function typeset(look: Look, text: string): string {
  return look.unicode ? text : text.replace(/[▁-█] /g, '').replace(/[·…–−≥→]/g, (sign) => stand[sign] ?? sign);
}
