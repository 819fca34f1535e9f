import type { Finding } from '@singletree/core/doctor';
import type { Call } from '../call.ts';
import { plural } from '../terminal/figures.ts';
import { paint, type MarkName } from '../terminal/marks.ts';
import { linesOf, type Row } from '../terminal/row.ts';
import { clean, oneLine } from '../terminal/text.ts';

/** What was found of one subject. */
export interface Section {
  readonly subject: string;
  readonly findings: readonly Finding[];
}

const markOfStatus: Readonly<Record<Finding['status'], MarkName>> = {
  ok: 'success',
  warning: 'warning',
  error: 'failure',
  skipped: 'cancelled',
};

/** What programs tell a check by, in every version: `state_folder.free_space`. */
export function checkId(subject: string, check: string): string {
  return [subject, check].map((part) => part.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '_')).join('.');
}

/** All that was found, for programs. */
export function sectionsJson(sections: readonly Section[]): object {
  return {
    status: worstOf(sections.flatMap(({ findings }) => findings)),
    checks: sections.flatMap(({ subject, findings }) => findings.map((each) => ({ id: checkId(subject, each.check), subject, ...each }))),
  };
}

export function worstOf(findings: readonly Finding[]): 'ok' | 'warning' | 'error' {
  const has = (wanted: Finding['status']): boolean => findings.some(({ status }) => status === wanted);
  return has('error') ? 'error' : has('warning') ? 'warning' : 'ok';
}

export function verdict(findings: readonly Finding[]): string {
  const count = (wanted: Finding['status']): number => findings.filter(({ status }) => status === wanted).length;
  const parts = [count('error') > 0 && plural(count('error'), 'error'), count('warning') > 0 && plural(count('warning'), 'warning')];
  const told = parts.filter((part) => part !== false).join(' and ');
  return told === '' ? 'all is well' : told;
}

/** With `quiet`, only what a person has to see. */
export function sectionLines({ subject, findings }: Section, { look, quiet }: Pick<Call, 'look' | 'quiet'>): string[] {
  const told = quiet ? findings.filter(({ status }) => status === 'warning' || status === 'error') : findings;
  if (told.length === 0) return [];
  const longest = Math.max(...told.map(({ check }) => check.length));
  return [
    ...(quiet ? [] : ['']),
    `  ${paint(look, 'bold', subject)}`,
    ...told.flatMap((finding) => linesOf(rowOf(finding, longest), { ...look, width: Number.POSITIVE_INFINITY })),
  ];
}

/** Nothing of it is cut: a path or a command is of use only whole. */
function rowOf({ check, status, message, where, mend }: Finding, width: number): Row {
  const [first = '', ...more] = clean(message).split('\n');
  return {
    mark: markOfStatus[status],
    label: check.padEnd(width),
    text: where === undefined ? first : `${first} · ${oneLine(where)}`,
    details: [...more, ...(mend === undefined ? [] : labelled('mend', mend))],
  };
}

function labelled(label: string, text: string): string[] {
  return clean(text)
    .split('\n')
    .map((line, at) => `${at === 0 ? `${label}: ` : ' '.repeat(label.length + 2)}${line}`);
}
