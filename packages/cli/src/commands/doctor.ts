import type { Finding } from '@singletree/core/doctor';
import type { Call, CommandModule } from '../call.ts';
import type { Section } from '../doctor/examine.ts';
import { exitCodes } from '../exit-codes.ts';
import { plural } from '../terminal/figures.ts';
import { paint, type MarkName } from '../terminal/marks.ts';
import { linesOf } from '../terminal/row.ts';
import { clean, oneLine } from '../terminal/text.ts';

export const doctor: CommandModule = {
  define(command) {
    command.option('--config <FILE>', 'configuration (default: $SINGLETREE_CONFIG, ~/.config/singletree/config.yaml)').addHelpText(
      'after',
      `
Looks at the tool, the state folder, the configuration, the harnesses, what supervision can do here, and the database; with and without a
daemon. It tries what it can try, and leaves nothing behind. What is wrong comes with where, and what mends it. Ends with 1 if there is a
problem; a warning is none. With --quiet only what is not well is told.

Examples:
  singletree doctor
  singletree doctor --json | jq '.checks[] | select(.status != "ok")'`,
    );
  },

  async run(call, command) {
    const { examine } = await import('../doctor/examine.ts');
    const sections: Section[] = [];
    for await (const section of examine(call, command.opts<{ config?: string }>().config)) {
      sections.push(section);
      if (!call.json) call.print(sectionLines(section, call));
    }
    const all = sections.flatMap(({ findings }) => findings);
    const worst = worstOf(all);
    if (call.json)
      call.printJson({
        status: worst,
        checks: sections.flatMap(({ subject, findings }) => findings.map((each) => ({ subject, ...each }))),
      });
    else if (!call.quiet) call.print(['', `  ${verdict(all)}`]);
    return worst === 'problem' ? exitCodes.failure : exitCodes.success;
  },
};

const markOfStatus: Readonly<Record<Finding['status'], MarkName>> = { ok: 'success', warning: 'warning', problem: 'failure' };

function worstOf(findings: readonly Finding[]): Finding['status'] {
  const has = (wanted: Finding['status']): boolean => findings.some(({ status }) => status === wanted);
  return has('problem') ? 'problem' : has('warning') ? 'warning' : 'ok';
}

function verdict(findings: readonly Finding[]): string {
  const count = (wanted: Finding['status']): number => findings.filter(({ status }) => status === wanted).length;
  const parts = [count('problem') > 0 && plural(count('problem'), 'problem'), count('warning') > 0 && plural(count('warning'), 'warning')];
  const told = parts.filter((part) => part !== false).join(' and ');
  return told === '' ? 'all is well' : told;
}

function sectionLines({ subject, findings }: Section, { look, quiet }: Pick<Call, 'look' | 'quiet'>): string[] {
  const told = quiet ? findings.filter(({ status }) => status !== 'ok') : findings;
  if (told.length === 0) return [];
  return [
    ...(quiet ? [] : ['']),
    `  ${paint(look, 'bold', subject)}`,
    ...told.flatMap((finding) => linesOf(rowOf(finding), { ...look, width: Number.POSITIVE_INFINITY })),
  ];
}

/** Nothing of it is cut: a path or a command is of use only whole. */
function rowOf({ check, status, message, where, fix }: Finding) {
  const [first = '', ...more] = clean(message).split('\n');
  return {
    mark: markOfStatus[status],
    label: check,
    text: where === undefined ? first : `${first} · ${oneLine(where)}`,
    details: [
      ...more,
      ...(fix === undefined
        ? []
        : clean(fix)
            .split('\n')
            .map((line, at) => `${at === 0 ? 'fix: ' : '     '}${line}`)),
    ],
  };
}
