import { billedKinds, findRates, loadConfiguration, namesLike, nearest, type FoundRates } from '@singletree/core/local';
import type { Call, CommandModule } from '../call.ts';
import { configOf } from '../daemon/ensure.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';
import { exact, facts } from '../terminal/figures.ts';
import { labelled, table } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';

interface PricesFlags {
  readonly provider?: string;
  readonly at?: string;
  readonly config?: string;
}

export const prices: CommandModule = {
  define(command) {
    command
      .option('--provider <NAME>', 'who serves the model, where its name does not say so')
      .option('--at <TIME>', 'when it is called, such as 2026-03-01: prices change (default: now)')
      .option('--config <FILE>', 'configuration with prices of your own')
      .addHelpText(
        'after',
        `
The price with which calls are counted whose agent states no cost of its own: from the configuration, else from the list that comes with
singletree. A model is known by its very name, with a date or [1m] behind it; nothing is guessed. Ends with 1 where the price is unknown.
No daemon is needed.

Examples:
  singletree prices claude-sonnet-4-5
  singletree prices openrouter/anthropic/claude-sonnet-4.5
  singletree prices gpt-5.6 --at 2026-08-01
  singletree prices gpt-5.6 --json | jq .rates`,
      );
  },

  async run(call, command) {
    const [model] = command.args;
    if (model === undefined) throw badInput('which model is missing', 'singletree prices claude-sonnet-4-5', 'USAGE');
    const { provider, at: time, config } = command.opts<PricesFlags>();
    const at = time === undefined ? Date.now() : timeOf(time);
    const { configuration, file } = loadConfiguration(configOf(config, call.world), call.world.env);
    const found = findRates({ model, provider, at }, configuration.prices);
    const asked: Asked = { model, provider, at, file };
    return 'unknown' in found ? tellUnknown(call, asked, found.unknown) : tellRates(call, asked, found);
  },
};

interface Asked {
  readonly model: string;
  readonly provider: string | undefined;
  readonly at: number;
  /** The configuration that was read. */
  readonly file: string | undefined;
}

/** Of one kind of tokens: up to so many prompt tokens of a call, and above. */
interface RateLine {
  readonly kind: string;
  readonly usdPerMillion: number;
  readonly tiers: readonly { readonly above: number; readonly usdPerMillion: number }[];
}

function tellRates(call: Call, { model, provider, at, file }: Asked, { rates, version, declaredAs, entry }: FoundRates): ExitCode {
  const lines = rates === 'free' ? [] : linesOf(rates);
  const from = declaredAs === undefined ? version : `prices.${declaredAs} in ${file ?? 'SINGLETREE_PRICES'}`;
  if (call.json) {
    call.printJson({
      model,
      provider: entry?.provider ?? provider,
      listed_as: entry?.model,
      at: new Date(at).toISOString(),
      price: rates === 'free' ? 'free' : 'rates',
      version,
      configured_by: declaredAs === undefined ? undefined : { file, key: `prices.${declaredAs}` },
      context_window_tokens: entry?.contextWindow,
      unit: 'usd_per_million_tokens',
      rates: lines.map(({ kind, usdPerMillion, tiers }) => ({
        kind,
        rate: usdPerMillion,
        tiers: tiers.map((tier) => ({ above_prompt_tokens: tier.above, rate: tier.usdPerMillion })),
      })),
    });
    return exitCodes.success;
  }
  call.print(
    labelled(call.look, [
      ['model', facts(oneLine(model), entry && entry.model !== model && oneLine(entry.model))],
      ['provider', entry?.provider ?? (provider === undefined ? undefined : oneLine(provider))],
      ['context window', entry?.contextWindow === undefined ? undefined : `${exact(entry.contextWindow)} tokens`],
      ['from', oneLine(from)],
      [
        'price',
        rates === 'free' ? 'free, by your own word' : `US dollars per million tokens, on ${new Date(at).toISOString().slice(0, 10)}`,
      ],
    ]),
  );
  if (lines.length > 0) call.print(['', ...rateTable(call, lines)]);
  const missing = rates === 'free' ? [] : billedKinds.filter(({ rate }) => rates[rate] === undefined).map(({ kind }) => words[kind]);
  if (missing.length > 0) call.note(`  no rate for ${missing.join(', ')}: what a call costs that uses these is unknown`);
  return exitCodes.success;
}

function rateTable(call: Call, lines: readonly RateLine[]): string[] {
  const borders = [...new Set(lines.flatMap(({ tiers }) => tiers.map(({ above }) => above)))].sort((a, b) => a - b);
  const heads = [
    '',
    ...(borders.length === 0 ? ['each call'] : [`up to ${exact(borders[0] ?? 0)}`, ...borders.map((above) => `above ${exact(above)}`)]),
  ];
  const rows = lines.map((line) => [
    words[line.kind] ?? line.kind,
    ...[0, ...borders].map((border) => `$${line.tiers.findLast(({ above }) => above <= border)?.usdPerMillion ?? line.usdPerMillion}`),
  ]);
  const more = borders.length === 0 ? [] : ['  by the prompt tokens of the single call, cache reads and writes among them'];
  return [
    ...table(
      call.look,
      heads.map((head, at) => (at === 0 ? { head } : { head, align: 'right' as const })),
      rows,
    ),
    ...more,
  ];
}

const words: Readonly<Record<string, string>> = {
  input: 'input',
  cache_read: 'cache reads',
  cache_write: 'cache writes, 5 minutes',
  cache_write_1h: 'cache writes, 1 hour',
  output: 'output and reasoning',
};

function linesOf(rates: Exclude<FoundRates['rates'], 'free'>): readonly RateLine[] {
  return billedKinds.flatMap(({ kind, rate }) => {
    const price = rates[rate];
    if (price === undefined) return [];
    if (typeof price === 'number') return [{ kind, usdPerMillion: price, tiers: [] }];
    const tiers = price.tiers.map((tier) => ({ above: tier.start, usdPerMillion: tier.price })).sort((a, b) => a.above - b.above);
    return [{ kind, usdPerMillion: price.base, tiers }];
  });
}

function tellUnknown(call: Call, { model, provider, file }: Asked, why: string): ExitCode {
  const near = nearNames(model, provider);
  if (call.json) {
    call.printJson({ model, provider, price: 'unknown', why, nearest: near });
    return exitCodes.failure;
  }
  // Of a provider that was named, nothing is said about others.
  const whole = provider === undefined || model.startsWith(`${provider}/`) ? model : `${provider}/${model}`;
  const name = /^[\w./:@-]+$/.test(whole) ? whole : JSON.stringify(whole);
  call.print([
    oneLine(why),
    ...(near.length === 0 ? [] : [`  near it: ${near.join(', ')}`]),
    `  say what it costs, in US dollars per million tokens, in ${file === undefined ? 'the configuration' : oneLine(file)}:`,
    `    prices: { ${oneLine(name)}: { input: 3, output: 15, cache_read: 0.3 } }`,
    '  or, for a model that costs nothing:',
    `    prices: { ${oneLine(name)}: free }`,
  ]);
  return exitCodes.failure;
}

/** At most three: the slips of the finger first, then names that hold what was typed, or with which it begins. */
function nearNames(model: string, provider: string | undefined): readonly string[] {
  const slash = model.indexOf('/');
  const known = new Set(namesLike(provider ?? (slash > 0 ? model.slice(0, slash) : undefined)));
  const wanted = (slash > 0 && provider === undefined ? model.slice(slash + 1) : model).toLowerCase();
  if (wanted.length > 100) return [];
  const near: string[] = [];
  for (let next = nearest(wanted, [...known]); next !== undefined && near.length < 3; next = nearest(wanted, [...known])) {
    near.push(next);
    known.delete(next);
  }
  const related = [...known].filter((name) => name.includes(wanted) || wanted.startsWith(name));
  const newestFirst = related.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return [...near, ...newestFirst].slice(0, 3);
}

function timeOf(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T|$)/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw badInput(`--at "${text}" is not a time`, 'write for example 2026-03-01 or 2026-03-01T12:00:00Z');
  return time;
}
