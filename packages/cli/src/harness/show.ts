import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { childEnvironment, importPlugin, optionsSchema, type Plugin } from '@singletree/core/kit';
import { inRange, versionRange, type Harness, type KnownLimit, type Probe } from '@singletree/harness';
import type { Call } from '../call.ts';
import { harnessMark, statusWords } from '../daemon/about.ts';
import { answering } from '../daemon/answering.ts';
import { environmentOf } from '../doctor/daemon.ts';
import { facts } from '../terminal/figures.ts';
import { markOf } from '../terminal/marks.ts';
import { labelled } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';
import { pluginFolders, pluginOf } from './plugin.ts';

/** Everything about one harness: its plugin, what a probe finds now, what it can, how it is configured, what it cannot. */
export async function show(call: Call, id: string, config: string | undefined): Promise<void> {
  const environment = (await environmentOfDaemon(call)) ?? call.world.env;
  const plugin = await pluginOf(id, call, config, environment);
  const { location } = await importPlugin(plugin.source, pluginFolders(call, config, environment), '');
  const shown = await described(plugin, location, childEnvironment(environment));
  if (call.json) call.printJson(shown);
  else call.print(lines(shown, call));
}

/** A daemon that runs starts the CLI with the PATH that it has itself. */
async function environmentOfDaemon(call: Call): Promise<NodeJS.ProcessEnv | undefined> {
  if (call.isRemote || !(await answering(call.target))) return undefined;
  const { pid } = await (await call.client()).daemon.status();
  return environmentOf(pid);
}

type Shown = Awaited<ReturnType<typeof described>>;

async function described(plugin: Plugin, location: string, children: Readonly<Record<string, string>>) {
  const { harness, settings } = plugin;
  const probe = await plugin.probe(0);
  const version = 'version' in probe ? probe.version : undefined;
  const { usage, permissionModes, untold = [], ...can } = harness.capabilities;
  const variable = keyVariable(plugin);
  return {
    id: plugin.id,
    display_name: harness.displayName,
    plugin: plugin.source,
    plugin_version: versionOfPackage(location),
    module: location,
    specification_version: harness.specificationVersion,
    decoder_version: harness.decoderVersion,
    provider: harness.provider,
    status: probe.status,
    version,
    supported_versions: harness.supportedVersions,
    executable: settings.executable,
    ...wordsOf(probe),
    capabilities: {
      resume: can.resume,
      chooses_session_id: can.choosesSessionId,
      usage,
      context_window: can.contextWindow,
      compaction: can.compaction,
      cost: can.cost,
      session_files: harness.reconcile !== undefined,
      untold,
      telemetry: can.telemetry && { traces: can.telemetry.traces, transports: can.telemetry.transports },
    },
    telemetry: plugin.wantsTelemetry,
    permission_modes: permissionModes,
    model: settings.model,
    base_url: settings.baseUrl,
    args: settings.args,
    options: settings.options,
    options_schema: optionsSchema(harness),
    api_key_variable: variable,
    environment: [
      ...new Set([
        ...Object.keys(children),
        ...Object.keys(plugin.configuredEnvironment),
        ...Object.keys(plugin.secrets),
        ...commandVariables(plugin),
        'TRACEPARENT',
      ]),
    ].toSorted(),
    known_limits: (harness.knownLimits ?? []).map((limit) => ({ ...limit, applies: appliesTo(limit, version) })),
  };
}

function wordsOf(probe: Probe): { readonly message?: string; readonly hint?: string } {
  if (probe.status !== 'ready') return { message: probe.message, hint: probe.hint };
  return probe.warning === undefined ? {} : { message: probe.warning };
}

/** Unknown where no version was found. */
function appliesTo({ versions }: KnownLimit, version: string | undefined): boolean | undefined {
  const range = versionRange(versions);
  return version === undefined || range === undefined ? undefined : inRange(version, range);
}

/** The command line of some attempt: what it sets does not depend on which one. */
function commandOf({ harness, settings }: Plugin): ReturnType<Harness['command']> | undefined {
  const [permissions] = harness.capabilities.permissionModes;
  if (permissions === undefined) return undefined;
  try {
    return harness.command(
      { prompt: '', workspace: '/', session: { kind: 'new', id: '00000000-0000-4000-8000-000000000000' }, permissions, root: false },
      settings,
    );
  } catch {
    return undefined; // it lacks something that only a task gives, such as a model
  }
}

function commandVariables(plugin: Plugin): readonly string[] {
  const variable = keyVariable(plugin);
  return [...Object.keys(commandOf(plugin)?.env ?? {}), ...(plugin.settings.hasApiKey && variable !== undefined ? [variable] : [])];
}

function keyVariable(plugin: Plugin): string | undefined {
  return commandOf(plugin)?.apiKeyVariable;
}

function versionOfPackage(module: string): string | undefined {
  for (let folder = dirname(module); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (!existsSync(file)) continue;
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const version = typeof content === 'object' && content !== null && 'version' in content ? content.version : undefined;
    return typeof version === 'string' ? version : undefined;
  }
  return undefined;
}

function lines(shown: Shown, { look }: Pick<Call, 'look'>): string[] {
  const { capabilities, status } = shown;
  const { usage } = capabilities;
  const applying = shown.known_limits.filter(({ applies }) => applies !== false);
  return [
    `  ${markOf(harnessMark(shown), look)} ${facts(shown.id, shown.display_name, statusWords[status], shown.version)}`,
    ...labelled(look, [
      ['what to do', facts(shown.message && oneLine(shown.message), shown.hint && oneLine(shown.hint)) || undefined],
      ['executable', shown.executable],
      ['supported', shown.supported_versions],
      ['plugin', facts(shown.plugin, shown.plugin_version, shown.specification_version)],
      ['module', shown.module],
      ['permissions', shown.permission_modes.join(', ')],
      ['model', shown.model],
      ['base URL', shown.base_url],
      [
        'usage',
        usage === 'none'
          ? 'not told'
          : `for each ${usage.scope.replace('_', ' ')}, ${usage.counts === 'delta' ? 'each by itself' : 'running totals'}`,
      ],
      ['tells', toldText(capabilities) || 'nothing else'],
      ['does not tell', capabilities.untold.map((what) => what.replaceAll('_', ' ')).join(', ') || undefined],
      ['its own traces', tracesText(shown)],
      ['session', capabilities.resume ? 'can be resumed' : 'cannot be resumed'],
      ['environment', shown.environment.join(' ')],
      ['key', shown.api_key_variable && `handed over as ${shown.api_key_variable}`],
      ...optionLines(shown),
      ...applying.map(({ versions, text }, at): readonly [string, string] => [
        at === 0 ? 'known limits' : '',
        `${versions}: ${oneLine(text)}`,
      ]),
    ]),
  ];
}

function toldText({ context_window, compaction, cost, session_files }: Shown['capabilities']): string {
  const told = { 'context window': context_window, compactions: compaction, cost, 'session files are read after the end': session_files };
  return Object.entries(told)
    .flatMap(([name, is]) => (is ? [name] : []))
    .join(', ');
}

function tracesText({ id, capabilities: { telemetry: own }, telemetry }: Shown): string {
  if (!own) return 'none that could be switched on';
  const what =
    own.traces === 'joins' ? 'join those of the task, below its attempts' : "have the task's id among the attributes of their resource";
  return `${what}; ${telemetry ? 'on' : 'off'}, by harnesses.${id}.telemetry`;
}

/** `allow_root = true (boolean)`, from the plugin's own schema. */
function optionLines({ options, options_schema: schema }: Shown): (readonly [string, string])[] {
  const properties = Object.entries(fieldsOf(fieldsOf(schema)['properties']));
  const values = fieldsOf(options);
  return properties.map(([name, property], at) => {
    const { type, enum: choices, description } = fieldsOf(property);
    const kind = Array.isArray(choices) ? choices.join(' | ') : typeof type === 'string' ? type : '';
    const value = values[name] === undefined ? '' : ` = ${JSON.stringify(values[name])}`;
    return [
      at === 0 ? 'options' : '',
      facts(`${name}${value}${kind === '' ? '' : ` (${kind})`}`, typeof description === 'string' && oneLine(description)),
    ];
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
