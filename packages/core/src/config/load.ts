import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMap, isNode, isScalar, isSeq, LineCounter, parse, parseDocument, type Document, type Range } from 'yaml';
import type { z } from 'zod';
import { DomainError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { fixedReasons } from '../task/retry.ts';
import { knownKeys, valuePaths } from './known-keys.ts';
import { builtInPlugins, configurationSchema, type Configuration } from './schema.ts';

export interface LoadedConfiguration {
  readonly configuration: Configuration;
  /** The file that was read; absent if there is none. */
  readonly file?: string;
  /** The plugin of each harness, with the built-in ones. */
  readonly plugins: Readonly<Record<string, string>>;
}

/** Variables of ours that are no configuration values, and that a person may set. */
const ownVariables = [
  'SINGLETREE_CONFIG',
  'SINGLETREE_STATE',
  'SINGLETREE_ADDRESS',
  'SINGLETREE_TOKEN',
  'SINGLETREE_CA_FILE',
  'SINGLETREE_CLIENT_CERTIFICATE_FILE',
  'SINGLETREE_CLIENT_KEY_FILE',
  'SINGLETREE_USER_PATH',
  'SINGLETREE_LOG_LEVEL',
];

/** Those that our own processes and tests set. */
const internalVariables = /^SINGLETREE_(PROCESS|FAILPOINTS|FAILPOINT_DIR|TEST_\w+)$/;

type Path = readonly (string | number)[];

/**
 * Reads the configuration: the file, and above it single values from `SINGLETREE_<PATH>` variables. A file that was named must
 * exist; the default place may be empty. Throws `DomainError` INVALID_CONFIGURATION naming file, line and the nearest known key.
 */
export function loadConfiguration(named: string | undefined, environment: NodeJS.ProcessEnv): LoadedConfiguration {
  const explicit = named ?? environment['SINGLETREE_CONFIG'];
  const file = explicit === undefined ? defaultFile(environment) : resolve(explicit);
  const text = file === undefined ? undefined : readIfThere(file, explicit !== undefined);
  const source = text === undefined || file === undefined ? undefined : parseFile(file, text);
  const tree: unknown = source?.document.toJS() ?? {};
  const origins = new Map<string, string>();
  const merged = withVariables(isObject(tree) ? tree : {}, environment, origins);
  if (!isObject(tree)) throw invalid(`${file}: expected a mapping of keys to values`);
  const place = (path: Path): string => originOf(path, origins) ?? source?.place(path) ?? 'configuration';
  const result = configurationSchema.safeParse(merged);
  if (!result.success) {
    const { issues } = result.error;
    // A key that is misspelt is also missed under its right name: the slip is what to tell.
    throw describe(issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0], place);
  }
  checkHarnessNames(result.data, place);
  const plugins = { ...builtInPlugins };
  for (const [id, { plugin }] of Object.entries(result.data.harnesses))
    if (plugin !== undefined) plugins[id] = plugin.startsWith('.') && file ? resolve(dirname(file), plugin) : plugin;
  return { configuration: result.data, plugins, ...(text === undefined || file === undefined ? {} : { file }) };
}

function defaultFile(environment: NodeJS.ProcessEnv): string | undefined {
  const folder = environment['XDG_CONFIG_HOME'] || (environment['HOME'] ? join(environment['HOME'], '.config') : undefined);
  return folder === undefined ? undefined : join(folder, 'singletree', 'config.yaml');
}

function readIfThere(file: string, required: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (!required && error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw invalid(`cannot read the configuration file ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseFile(file: string, text: string): { document: Document; place(path: Path): string } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineOf = (offset: number): string => `${file}, line ${lines.linePos(offset).line}`;
  const [problem] = document.errors;
  if (problem) throw invalid(`${lineOf(problem.pos[0])}: ${problem.message}`);
  return {
    document,
    place(path) {
      // The nearest one that is there: a missing key has the line of what it is missing from.
      for (let length = path.length; length > 0; length--) {
        const range = rangeOf(document, path.slice(0, length));
        if (range) return lineOf(range[0]);
      }
      return file;
    },
  };
}

/** The variable that a value came from; one may have set a whole mapping. */
function originOf(path: Path, origins: ReadonlyMap<string, string>): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(path.slice(0, length).join('.'));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** Where a key stands, or an item of a list. A key's value may begin lines below it. */
function rangeOf(document: Document, path: Path): Range | null | undefined {
  const parent: unknown = document.getIn(path.slice(0, -1), true);
  const last = path.at(-1);
  const keys = isMap(parent) ? parent.items.map(({ key }) => key) : [];
  const node: unknown = isSeq(parent) ? parent.items[Number(last)] : keys.find((key) => isScalar(key) && key.value === last);
  return isNode(node) ? node.range : undefined;
}

/** Sets the value of each `SINGLETREE_<PATH>` variable, read as a YAML scalar, in a copy of the tree. */
function withVariables(
  tree: Record<string, unknown>,
  environment: NodeJS.ProcessEnv,
  origins: Map<string, string>,
): Record<string, unknown> {
  const merged = structuredClone(tree);
  const ids = new Set([...Object.keys(builtInPlugins), ...(isObject(tree['harnesses']) ? Object.keys(tree['harnesses']) : [])]);
  const paths = variablePaths([...ids]);
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('SINGLETREE_') || value === undefined || ownVariables.includes(name) || internalVariables.test(name)) continue;
    const path = paths.get(name);
    if (!path) throw invalid(`unknown environment variable ${name}`, rightVariable(name, [...paths.keys()]));
    let at = merged;
    for (const key of path.slice(0, -1)) {
      const below = at[key];
      at = isObject(below) ? below : (at[key] = {});
    }
    at[path.at(-1) ?? ''] = readScalar(value);
    origins.set(path.join('.'), `environment variable ${name}`);
  }
  return merged;
}

function readScalar(text: string): unknown {
  try {
    return parse(text) ?? text;
  } catch {
    return text; // a value that is not YAML is simply itself
  }
}

/** What may have been meant: what is below a mapping with names of one's own has no variable, the mapping has. */
function rightVariable(name: string, known: readonly string[]): string | undefined {
  const whole = known.find((each) => name.startsWith(`${each}_`));
  if (whole !== undefined) return `${whole} sets the whole mapping, as YAML; a single value of it stands in the file`;
  const meant = nearest(name, [...known, ...ownVariables]);
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}

/** Every variable name and the path that it sets. */
function variablePaths(harnessIds: readonly string[]): Map<string, readonly string[]> {
  return new Map(valuePaths(harnessIds).map((path) => [`SINGLETREE_${path.join('_').toUpperCase()}`, path]));
}

function describe(found: z.core.$ZodIssue | undefined, place: (path: Path) => string): DomainError {
  if (!found) return invalid('the configuration is not valid');
  const issue = ofMapping(found);
  const path = issue.path.filter((key) => typeof key !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = knownKeys(path);
    if (path.join() === 'retry' && fixedReasons.some((reason) => reason === key)) {
      const hint = `reasons with a rule: ${known.join(', ')}`;
      return invalid(`retry.${key} in ${place([...path, key])}: a task is never tried again for this reason`, hint);
    }
    const meant = nearest(key, known);
    const hint = [`known keys: ${known.join(', ')}`, meant === undefined ? '' : `did you mean ${meant}?`].filter(Boolean).join('\n');
    return invalid(`unknown key "${[...path, key].join('.')}" in ${place([...path, key])}`, hint);
  }
  // A key that breaks its rule is told by an issue of its own inside.
  const rule = issue.code === 'invalid_key' ? issue.issues[0] : undefined;
  return invalid(`${path.join('.')} in ${place(path)}: ${inPlainWords(rule ?? issue)}`);
}

/** Of what may be one word or a mapping, and says nothing itself: what is wrong inside the mapping. */
function ofMapping(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue;
  const inside = issue.errors.flat().find(({ path }) => path.length > 0);
  return inside ? { ...inside, path: [...issue.path, ...inside.path] } : issue;
}

const kinds: Readonly<Record<string, string>> = {
  object: 'a mapping of keys to values',
  record: 'a mapping of keys to values',
  array: 'a list, such as [ … ]',
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
};

/** What the schema says in words of its own stays; what the library says by itself is said as everything else here is. */
function inPlainWords(issue: { readonly code?: string | undefined; readonly message: string; readonly values?: unknown }): string {
  const { code, message, values } = issue;
  if (code === 'invalid_value' && message.startsWith('Invalid option') && Array.isArray(values))
    return `expected one of ${values.join(', ')}`;
  const [, expected = '', received = ''] = /^Invalid input: expected (\w+), received (\w+)$/.exec(message) ?? [];
  if (code !== 'invalid_type' || expected === '') return message;
  return `expected ${kinds[expected] ?? expected}, found ${found(received)}`;
}

/** A key whose own keys have all been commented out has nothing below it. */
function found(received: string): string {
  if (received === 'null') return 'nothing: leave the key out';
  return { array: 'a list', object: 'a mapping' }[received] ?? kinds[received] ?? received;
}

function checkHarnessNames(configuration: Configuration, place: (path: Path) => string): void {
  const own = Object.entries(configuration.harnesses).filter(([, { plugin }]) => plugin !== undefined);
  const known = [...new Set([...Object.keys(builtInPlugins), ...own.map(([id]) => id)])];
  const unknown = (id: string, path: Path): DomainError => {
    const meant = nearest(id, known);
    const hint = [`known harnesses: ${known.join(', ')}`, meant === undefined ? '' : `did you mean ${meant}?`].filter(Boolean).join('\n');
    return invalid(`unknown harness "${id}" in ${place(path)}`, hint);
  };
  for (const [id, { plugin }] of Object.entries(configuration.harnesses)) {
    if (plugin === undefined && !(id in builtInPlugins)) throw unknown(id, ['harnesses', id]);
  }
  if (!known.includes(configuration.defaults.harness)) throw unknown(configuration.defaults.harness, ['defaults', 'harness']);
  for (const id of Object.keys(configuration.concurrency.per_harness)) {
    if (!known.includes(id)) throw unknown(id, ['concurrency', 'per_harness', id]);
  }
}

function invalid(message: string, hint?: string): DomainError {
  return new DomainError('INVALID_CONFIGURATION', message, hint === undefined ? {} : { hint });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
