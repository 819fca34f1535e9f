import { importsOf } from './dependency-directions.ts';

/**
 * Whether anything on a task's path could wait for telemetry. It could by an import, however many files lie between, and by what daemon.ts hands it, the only
 * place where the rooms meet: so both are followed to their ends.
 */

const core = 'packages/core/src/';

/** Everything that runs between the call that creates a task and the commit of its final state. */
const onPath = new RegExp(
  `^${core}(task|engine|store|dispatcher|attempt|supervision|workspace|gates|plugins|pricing|prediction|trust)/|^${core}(control|lookout|lookout-thread)\\.ts$`,
);

/** What tells of tasks to others, and with what. */
const telling = new RegExp(`^${core}(outbox|health|upkeep)/|^@opentelemetry/`);

/** For each file on a task's path that comes to telemetry: the files on the way. `sources` are all files of core, tests left out, by their paths. */
export function waysToTelemetry(sources: ReadonlyMap<string, string>): string[] {
  return [...sources.keys()].filter((path) => onPath.test(path)).flatMap((path) => wayFrom(path, sources) ?? []);
}

function wayFrom(start: string, sources: ReadonlyMap<string, string>): string | undefined {
  const cameFrom = new Map<string, string | undefined>([[start, undefined]]);
  for (const path of cameFrom.keys()) {
    if (telling.test(path)) return wayBack(path, cameFrom).join(' → ');
    for (const target of targetsOf(path, sources.get(path) ?? '')) if (!cameFrom.has(target)) cameFrom.set(target, path);
  }
  return undefined;
}

function wayBack(path: string | undefined, cameFrom: ReadonlyMap<string, string | undefined>): string[] {
  return path === undefined ? [] : [...wayBack(cameFrom.get(path), cameFrom), path.replace(core, '')];
}

/** Types count, too: what has one in its hands has been given the thing. So do threads, which are started by the addresses of their files. */
function targetsOf(path: string, source: string): string[] {
  const threads = [...source.matchAll(/new URL\('(?<specifier>\.[^']+)'/g)].map(({ groups }) => groups?.['specifier'] ?? '');
  const specifiers = [...importsOf(source).map(({ specifier }) => specifier), ...threads];
  return specifiers.map((each) => (each.startsWith('.') ? new URL(each, `file:///${path}`).pathname.slice(1) : each));
}

/** The rooms that drive tasks: everything that they are given when they are made. */
const drivers = /\bnew (Engine|KillSwitches|Control|Dispatcher)\(|: Rooms =|\b(settleLeftovers|closeLeftovers)\(/;

/** What daemon.ts has opened that tells of tasks to others. */
const openers = /\bopen(Outbox|Health|Retention)\(/;

/** The names of destinations are data: the rows that a completion gets. */
const data = /\boutbox\.destinations\b/g;

/** The statements of daemon.ts, of those that what it hands to the drivers comes from, that open telemetry. `source` is formatted. */
export function handedTelemetry(source: string): string[] {
  const statements = statementsOf(source);
  const wanted = statements.filter((statement) => drivers.test(statement));
  if (wanted.length < 6) throw new Error('daemon.ts does not make the rooms that drive tasks in the way that this rule knows');
  if (!statements.some((statement) => openers.test(statement)))
    throw new Error('daemon.ts does not open the outbox in the way that this rule knows');
  const seen = new Set(wanted);
  for (const statement of seen) {
    for (const other of statements) if (namesOf(other).some((name) => mentions(statement, name))) seen.add(other);
  }
  return [...seen].filter((statement) => openers.test(statement)).map((statement) => statement.trim().split('\n')[0] ?? '');
}

/** Those of the body of startDaemon, without comments, each from a line that is indented as the body is to the next one. */
function statementsOf(source: string): string[] {
  const [, body = ''] =
    /^export async function startDaemon\([\s\S]*?\{\n([\s\S]*?)^\}/m.exec(source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')) ?? [];
  return body.split(/^(?= {2}(?: {2})?[^\s})\]])/m).map((statement) => statement.replaceAll(data, '[]'));
}

/** What a statement declares, the new names of a destructuring included. */
function namesOf(statement: string): string[] {
  const declared = /^\s+const (?:(?<name>\w+)\b|\{(?<names>[^}]*)\})/.exec(statement)?.groups;
  if (declared?.['name'] !== undefined) return [declared['name']];
  return (declared?.['names'] ?? '').split(',').flatMap((part) => /(\w+)\s*$/.exec(part)?.[1] ?? []);
}

/** As a value, and neither as a property of something else nor as a key. */
function mentions(statement: string, name: string): boolean {
  return new RegExp(`(?<![.\\w])${name}\\b(?!\\s*:)`).test(statement);
}
