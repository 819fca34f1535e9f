import { createRequire } from 'node:module';
import type { calcPrice, findProvider, MatchLogic, ModelInfo, ModelPrice, Usage } from '@pydantic/genai-prices';
import { readings, spellings } from './names.ts';

/** The list that is bundled, as it stands beside each price. */
export const listVersion = 'genai-prices 0.1.8';

interface Library {
  readonly calcPrice: typeof calcPrice;
  readonly findProvider: typeof findProvider;
}

const load: (name: string) => Library = createRequire(import.meta.url);

/** At the first question: its 830 kB take 30 ms, and where every harness states its cost nobody ever asks. */
const library = (): Library => load('@pydantic/genai-prices');

/** A model of the list, and what it cost at that time. */
export interface Listed {
  readonly provider: string;
  readonly model: ModelInfo;
  readonly rates: ModelPrice;
}

/** Names by which CLIs and the GenAI conventions call a provider of the list. What is in neither is unknown: a name that holds another one may be anybody's. */
const providerIds: Readonly<Record<string, string>> = {
  'amazon-bedrock': 'aws',
  'aws.bedrock': 'aws',
  'azure.ai.inference': 'azure',
  'azure.ai.openai': 'azure',
  'fireworks-ai': 'fireworks',
  'gcp.gemini': 'google',
  'gcp.gen_ai': 'google',
  'gcp.vertex_ai': 'google',
  'google-vertex': 'google',
  'google-vertex-anthropic': 'google',
  mistral_ai: 'mistral',
  togetherai: 'together',
  x_ai: 'x-ai',
  xai: 'x-ai',
};

/** Whose models are looked through for a name that is nearly right. */
const makers: readonly string[] = ['anthropic', 'openai', 'google', 'x-ai', 'deepseek', 'mistral', 'moonshotai', 'zhipuai', 'minimax'];

/**
 * The model of this very name; `undefined` for any other, however near: the library would take whatever begins with a name that it knows for that
 * model. `at` absent: what holds for ever, where there is such a price; `undated` says that there is none.
 */
export function listed(model: string, provider: string | undefined, at: Date | undefined): Listed | 'undated' | undefined {
  for (const reading of readings(model, provider)) {
    const found = lookUp(reading.name, reading.provider, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function lookUp(model: string, provider: string | undefined, at: Date | undefined): ReturnType<typeof listed> {
  const names = spellings(model);
  const id = provider === undefined ? undefined : idOf(provider);
  // Without the window that was asked for; the date is left to the library, which knows builds that cost something else.
  const name = names.find((each) => !each.endsWith(']')) ?? model;
  const found = library().calcPrice({}, name, { ...(id === undefined ? {} : { providerId: id }), timestamp: at ?? new Date(0) });
  if (!found || (id !== undefined && found.provider.id !== id)) return undefined;
  if (!names.some((each) => isNameOf(each, found.model))) return undefined;
  if (at === undefined && Array.isArray(found.model.prices)) return 'undated';
  return { provider: found.provider.id, model: found.model, rates: found.model_price };
}

function idOf(provider: string): string {
  const name = provider.trim().toLowerCase();
  return providerIds[name] ?? name;
}

/** Whether it is one of its names in full. The list also says what a model's name begins with or holds, which is true of others' names too. */
function isNameOf(name: string, model: ModelInfo): boolean {
  return name === model.id.toLowerCase() || matchesWhole(model.match, name);
}

function matchesWhole(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((each) => matchesWhole(each, name));
  // The library has seen that all of them hold.
  if ('and' in match) return match.and.some((each) => matchesWhole(each, name));
  if ('regex' in match) return /^\^(?!.*\.[*+]).*\$$/.test(match.regex) && new RegExp(match.regex).test(name);
  return Object.values(match).some((value) => value.toLowerCase() === name);
}

/** Names of the list from which a wrong one may have been meant: the provider's, or those of everybody who makes models. */
export function namesLike(provider: string | undefined): readonly string[] {
  const ids = provider === undefined ? makers : [idOf(provider)];
  return ids.flatMap((id) => {
    const found = library().findProvider({ providerId: id });
    return found?.id === id ? found.models.map((model) => model.id) : [];
  });
}

/** What a call comes to at these rates, in US dollars, by the library's own arithmetic. */
export function costAt(rates: ModelPrice, usage: Usage): number {
  const model: ModelInfo = { id: 'call', match: { equals: 'call' }, prices: rates };
  const provider = { id: 'call', name: 'call', api_pattern: '', models: [model] };
  return library().calcPrice(usage, 'call', { provider })?.total_price ?? Number.NaN;
}
