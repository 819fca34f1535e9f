import type { GateResult } from '@singletree/sdk';
import { duration, facts } from './figures.ts';
import { paint } from './marks.ts';
import type { Look } from './look.ts';
import type { Row } from './row.ts';
import { clean, oneLine } from './text.ts';

/** A gate's verdict in one row: the line of its output that says most, and its hint. */
export function gateRow(gate: GateResult): Row {
  const label = `gate ${oneLine(gate.name)}`;
  const time = gate.durationMs === undefined ? '' : ` in ${duration(gate.durationMs)}`;
  if (gate.status === 'passed') return { mark: 'success', label, text: `passed${time}` };
  const optional = !gate.required && 'optional';
  if (gate.status === 'errored') {
    return {
      mark: 'failure',
      label,
      text: facts(`could not run${time}`, optional, oneLine(gate.message ?? howItEnded(gate))),
      ...(gate.hint === undefined ? {} : { details: [oneLine(gate.hint)] }),
    };
  }
  return {
    mark: gate.required ? 'failure' : 'partial',
    label,
    text: facts(`${howItEnded(gate)}${time}`, optional, headline(gate.outputTail ?? '')),
  };
}

function howItEnded({ exitCode, signal }: GateResult): string {
  return signal === undefined ? `exit ${exitCode ?? 'unknown'}` : `ended by ${signal}`;
}

const telling = /\b(error|errors|expected|assert\w*|fail\w*|not ok|cannot|undefined|panic\w*|exception)\b/i;

/** The first line that says what is wrong, else the last one that says anything. */
export function headline(output: string): string {
  const lines = clean(output)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /\w/.test(line));
  return oneLine(lines.find((line) => telling.test(line)) ?? lines.at(-1) ?? '');
}

const tailLines = 30;

/** A red gate in full, as far as its output was kept. */
export function gateReport(gate: GateResult, look: Look): string[] {
  const lines = clean(gate.outputTail ?? '')
    .trimEnd()
    .split('\n');
  const shown = lines.slice(-tailLines);
  const left = lines.length - shown.length;
  return [
    `  ${paint(look, 'bold', `gate ${oneLine(gate.name)}`)} ${gate.status === 'errored' ? 'could not run' : howItEnded(gate)}`,
    ...(left > 0 ? [paint(look, 'dim', `    (${left} earlier lines)`)] : []),
    ...(shown.join('') === '' ? [] : shown.map((line) => `    ${line}`)),
    ...(gate.status === 'errored' ? [gate.message, gate.hint].flatMap((text) => (text === undefined ? [] : [`    ${oneLine(text)}`])) : []),
  ];
}
