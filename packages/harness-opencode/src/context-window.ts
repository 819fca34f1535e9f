import { countOf, isJsonObject, objectOf, type HarnessSettings, type JsonObject, type SessionFile } from '@singletree/harness';
import type { OpenCodeOptions } from './options.ts';

/** Where the limits of models stand: the user's configuration, of which later files win, and the CLI's copy of models.dev. */
const configurations = ['config.json', 'opencode.json', 'opencode.jsonc'];
const places = ['$XDG_CONFIG_HOME/opencode/', '.config/opencode/'];
const catalogues = ['$XDG_CACHE_HOME/opencode/models.json', '.cache/opencode/models.json'];
export const catalogueFiles: readonly string[] = [...places.flatMap((place) => configurations.map((name) => place + name)), ...catalogues];

/** As the configuration of the harness has it, for the model that it is about. */
export function contextWindow(_model: string, { options }: HarnessSettings<OpenCodeOptions>): number | undefined {
  return options.context_window;
}

/** How many tokens the context of `provider/model` holds, as these files tell it. The user's word is the last one. */
export function windowIn(model: string, files: readonly SessionFile[]): number | undefined {
  const slash = model.indexOf('/');
  const [provider, name] = [model.slice(0, slash), model.slice(slash + 1)];
  const limitIn = (providers: JsonObject): number | undefined => {
    const limit = objectOf(objectOf(objectOf(objectOf(providers[provider])['models'])[name])['limit']);
    return countOf(limit['context']) || undefined;
  };
  const read = (path: string): JsonObject => objectOf(parse(files.find((file) => file.path === path)?.bytes));
  for (const path of catalogueFiles.filter((file) => !catalogues.includes(file)).toReversed()) {
    const own = limitIn(objectOf(read(path)['provider']));
    if (own !== undefined) return own;
  }
  return catalogues.map((path) => limitIn(read(path))).find((limit) => limit !== undefined);
}

const notJson = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g;

/** JSON with comments and trailing commas, as the CLI reads its configuration. */
function parse(bytes: Uint8Array | undefined): JsonObject | undefined {
  if (bytes === undefined) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  return parseJson(text) ?? parseJson(text.replaceAll(notJson, (token) => (token.startsWith('"') ? token : '')));
}

function parseJson(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
