/** Who may import whom. Paths are relative to the repository; a workspace package stands for its folder, a foreign one for its name. */

/** protocol ◄ sdk ◄ cli, testing · core ► protocol, harness · cli, testing ► core · harness-* ► harness. `test` may import all of them. */
const packageRules: readonly { readonly name: RegExp; readonly mayImport: RegExp; readonly why: string }[] = [
  { name: /^protocol$/, mayImport: /(?!)/, why: 'generated code, under everything else' },
  { name: /^harness$/, mayImport: /(?!)/, why: 'the plugin contract: who writes a plugin gets nothing else with it' },
  { name: /^harness-/, mayImport: /^harness$/, why: 'a plugin knows the contract, not the daemon and no other plugin' },
  { name: /^sdk$/, mayImport: /^protocol$/, why: 'a client knows the wire, not the daemon' },
  { name: /^core$/, mayImport: /^(protocol|harness)$/, why: 'the daemon loads plugins by package name and knows none of them' },
  { name: /^testing$/, mayImport: /^(protocol|harness|sdk|core)$/, why: 'plugin authors use it: no plugin and no command inside' },
  { name: /^cli$/, mayImport: /^(?!test$)/, why: 'the command composes the others, not their tests' },
];

interface Rule {
  readonly why: string;
  /** The files that the rule is about. */
  readonly from: RegExp;
  readonly except?: RegExp;
  /** What it forbids them to import. */
  readonly forbids: RegExp;
  readonly allows?: RegExp;
  /** `import type` leaves no trace at run time, so this rule lets it pass. */
  readonly typesAreFree?: true;
}

const core = /^packages\/core\/src\//;
const anything = /^/;

const importRules: readonly Rule[] = [
  roomIsUsedBy('dispatcher', 'daemon\\.ts$', 'only daemon.ts composes the loop; everything else meets it in the store'),
  roomIsUsedBy(
    'outbox',
    'doctor/|(daemon|load-destinations)\\.ts$',
    'only daemon.ts composes the relay, and doctor/ tries what it would send to; everything else meets it in the store',
  ),
  roomIsUsedBy('upkeep', 'daemon\\.ts$', 'only daemon.ts composes upkeep: it runs beside everything else, and nothing waits for it'),
  roomIsUsedBy('gates', 'attempt/', 'gates belong to the steps of an attempt'),
  roomIsUsedBy(
    'workspace',
    'attempt/|doctor/|daemon\\.ts$',
    'workspaces belong to the steps of an attempt; daemon.ts gives them their git, and doctor/ looks at it',
  ),
  {
    ...roomIsUsedBy(
      'plugins',
      'attempt/|(daemon|load-plugins|load-destinations)\\.ts$',
      'plugins belong to the steps of an attempt; others get their catalogue from daemon.ts',
    ),
    typesAreFree: true,
  },
  ...['gates', 'workspace', 'plugins', 'artifacts', 'pricing', 'prediction'].map((room): Rule => ({
    why: `${room}/ takes data and gives data: of the other rooms it may use task/ and supervision/host.ts`,
    from: inCore(`${room}/`),
    forbids: inCore('\\w+/'),
    allows: inCore(`(${room}/|task/|supervision/host\\.ts$)`),
  })),
  {
    why: 'the dispatcher calls drive and knows no process',
    from: inCore('dispatcher/'),
    forbids: inCore('(supervision|gates|workspace)/'),
  },
  {
    why: 'task/ is pure: no clock, randomness, I/O or protobuf, and no other room',
    from: inCore('task/'),
    forbids: anything,
    allows: inCore('task/'),
  },
  {
    // The reader of raw fields, which knows no message, is what an OTLP answer is read with.
    why: 'protobuf types stop at rpc/',
    from: core,
    except: inCore('rpc/'),
    forbids: /^(packages\/protocol\/|@bufbuild\/(?!protobuf\/wire$)|@connectrpc\/)/,
  },
  {
    why: 'processes are started in one place, and by the shim, which outlives the daemon',
    from: /^packages\/(core|sdk|harness[-\w]*)\//,
    except: inCore('supervision/(host|shim/child)\\.ts$'),
    forbids: /^(node:)?child_process$/,
    typesAreFree: true,
  },
  {
    why: 'the shim starts and lives without the rest of the installation',
    from: inCore('supervision/shim/'),
    forbids: anything,
    allows: /^(node:|packages\/core\/src\/supervision\/shim\/)/,
    typesAreFree: true,
  },
  {
    why: 'what is published needs no test runner: help for tests is named *.testsuite.ts',
    from: /^packages\/[\w-]+\/src\//,
    forbids: /^(vitest|fast-check)(\/|$)/,
  },
];

/** What an import cannot tell. */
const callRules: readonly { readonly why: string; readonly from: RegExp; readonly except?: RegExp; readonly call: RegExp }[] = [
  {
    why: 'only engine/ writes the store: a change of state is a command',
    from: core,
    except: inCore('(engine|store)/'),
    call: /\.commit(Control)?\(/,
  },
  {
    why: 'what the shim needs is loaded when it starts: later an upgrade may have replaced it',
    from: inCore('supervision/shim/'),
    call: /\bimport\(/,
  },
];

function roomIsUsedBy(room: string, users: string, why: string): Rule {
  return { why, from: core, except: inCore(`(${room}/|${users})`), forbids: inCore(`${room}/`) };
}

function inCore(path: string): RegExp {
  return new RegExp(`^packages/core/src/${path}`);
}

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** The imports of a formatted source file: static ones begin a line, dynamic ones count where their specifier is written out. */
export function importsOf(source: string): Import[] {
  const statements = source.matchAll(/^(?:import|export)(?:( type\b)?[^;'"=]*?\bfrom)? '(?<specifier>[^']+)'/gm);
  const calls = source.matchAll(/\bimport\('(?<specifier>[^']+)'\)/g);
  return [...statements, ...calls].map((match) => ({ specifier: match.groups?.['specifier'] ?? '', typeOnly: match[1] === ' type' }));
}

/** A line for each forbidden import or call of a file. `folderOf` gives the folder of a workspace package. Tests may use any room. */
export function violations(path: string, source: string, folderOf: ReadonlyMap<string, string>): string[] {
  if (/\.(test|testsuite)\.ts$/.test(path)) return [];
  const imports = importsOf(source).flatMap(({ specifier, typeOnly }) => {
    const target = targetOf(path, specifier, folderOf);
    const reasons = packageOf(target) === packageOf(path) ? [] : betweenPackages(path, specifier, target);
    const broken = importRules.filter(
      ({ from, except, forbids, allows, typesAreFree }) =>
        from.test(path) && !except?.test(path) && forbids.test(target) && !allows?.test(target) && !(typeOnly && typesAreFree),
    );
    return [...reasons, ...broken.map(({ why }) => why)].map((why) => `${path} imports ${specifier}: ${why}`);
  });
  const calls = callRules.filter(({ from, except, call }) => from.test(path) && !except?.test(path) && call.test(source));
  return [...imports, ...calls.map(({ call, why }) => `${path} calls ${call.source}: ${why}`)];
}

function betweenPackages(path: string, specifier: string, target: string): string[] {
  // Tools are no package, so they have no name; tests use what they install and generate.
  if (packageOf(path) === 'test' && target.startsWith('tools/')) return [];
  if (specifier.startsWith('.')) return ['another package is imported by its name'];
  const [importer, imported] = [packageOf(path), packageOf(target)];
  if (importer === undefined || imported === undefined) return [];
  return packageRules.filter(({ name, mayImport }) => name.test(importer) && !mayImport.test(imported)).map(({ why }) => why);
}

function targetOf(path: string, specifier: string, folderOf: ReadonlyMap<string, string>): string {
  if (specifier.startsWith('.')) return new URL(specifier, `file:///${path}`).pathname.slice(1);
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  const folder = folderOf.get(name);
  return folder === undefined ? specifier : `${folder}/`;
}

/** The workspace package that a path lies in: `core` for packages/core/…, `test` for test/…, nothing for a foreign package. */
function packageOf(path: string): string | undefined {
  return /^(?:packages\/)?(?<name>(?<=packages\/)[\w-]+|test)\//.exec(path)?.groups?.['name'];
}
