import { cost, exact, facts, plural } from '../terminal/figures.ts';
import type { Look } from '../terminal/look.ts';
import { labelled } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';
import type { Summary, UsageSummary } from './summary.ts';

/** A summary for people. */
export function summaryLines(summary: Summary, look: Look): string[] {
  const { usage, usage_by_model: byModel = {}, subagent_usage: subagents, context, ended } = summary;
  return labelled(look, [
    ['harness', facts(summary.harness, summary.cli_version)],
    ['session', summary.session_id],
    ['model', summary.model],
    ['ended', facts(ended.kind === 'missing' ? 'without a last word' : ended.kind, ended.reason, ended.message && oneLine(ended.message))],
    ['turns', told(summary.turns)],
    ['usage', facts(usage.lower_bound && 'at least', usageText(usage))],
    ...Object.entries(byModel).map(([model, each]): readonly [string, string] => [`  ${oneLine(model)}`, usageText(each)]),
    ['of sub-agents', subagents && usageText(subagents)],
    [
      'cost',
      summary.cost_usd_micros === undefined
        ? undefined
        : facts(cost(summary.cost_usd_micros), `told by the ${summary.cost_source ?? 'harness'}`),
    ],
    ['context', contextText(context)],
    ['tools', toolsText(summary.tools)],
    ['files changed', told(summary.files_changed)],
    ['API retries', told(summary.api_retries)],
    ['denials', told(summary.permission_denials)],
    ['not known', summary.unknown_events === 0 ? undefined : plural(summary.unknown_events, 'line')],
  ]);
}

function told(count: number | undefined): string | undefined {
  return count === undefined ? undefined : exact(count);
}

const kinds = [
  ['uncached_input_tokens', 'uncached input'],
  ['cache_read_input_tokens', 'cache read'],
  ['cache_write_input_tokens', 'cache write'],
  ['output_tokens', 'output'],
  ['reasoning_output_tokens', 'reasoning'],
] as const;

function usageText(usage: UsageSummary): string {
  const parts = kinds.map(([kind, name]) => (usage[kind] === undefined ? undefined : `${exact(usage[kind])} ${name}`));
  return facts(...parts, usage.provenance);
}

function contextText({ window_tokens, final_tokens, peak_tokens, compactions }: Summary['context']): string | undefined {
  const text = facts(
    final_tokens !== undefined && `${exact(final_tokens)} at the end`,
    peak_tokens !== undefined && `${exact(peak_tokens)} at most`,
    window_tokens !== undefined && `window ${exact(window_tokens)}`,
    compactions !== undefined && plural(compactions, 'compaction'),
  );
  return text === '' ? undefined : text;
}

function toolsText(tools: Summary['tools'] = {}): string | undefined {
  const text = Object.entries(tools).map(([name, calls]) => `${oneLine(name)} ${calls}`);
  return text.length === 0 ? undefined : text.join(', ');
}
