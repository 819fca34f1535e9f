import { resolve } from 'node:path';
import {
  childEnvironment,
  examineDatabase,
  examineHarnesses,
  examineListeners,
  examineProcesses,
  examineStateFolder,
  examineSupervision,
  examineTelemetry,
  examineTool,
  harnessFinding,
  errorFrom,
  type Finding,
} from '@singletree/core/doctor';
import { loadConfiguration, readTrust, statePaths, trustFile, type LoadedConfiguration } from '@singletree/core/local';
import { stateFolder, type Singletree } from '@singletree/sdk';
import type { Call } from '../call.ts';
import { differences } from '../daemon/differences.ts';
import { configOf } from '../daemon/ensure.ts';
import { packageFolder, readVersion } from '../package.ts';
import { plural } from '../terminal/figures.ts';
import { environmentOf, findDaemon, type DaemonFound } from './daemon.ts';
import type { Section } from './show.ts';
import { telemetryFindings } from './standing.ts';

/** What a task wants to stay free, where the configuration cannot be read. */
const usualFreeBytes = 256 * 2 ** 20;

/** Looks at everything, in the order in which one thing stands on another. Works with and without a daemon, and changes nothing. */
export async function* examine(call: Call, config: string | undefined): AsyncGenerator<Section> {
  const { world } = call;
  const client = await call.client();
  const found = await findDaemon(client, resolve(world.cwd, stateFolder(call.target)));
  const state = found.status?.state ?? resolve(world.cwd, stateFolder(call.target));
  const paths = statePaths(state);
  // A daemon that runs has the PATH of the shell that started it.
  const environment = (found.status && environmentOf(found.status.pid)) ?? world.env;
  const children = childEnvironment(environment);
  const path = children['PATH'] ?? '';
  const configuration = examineConfiguration(call, config);
  const { loaded } = configuration;
  const database = examineDatabase(paths.database);
  const { instanceId: stateId } = database;
  // The slow ones begin at once.
  const wanted = loaded?.configuration.supervision.containment ?? 'auto';
  const supervision = told('containment', examineSupervision({ wanted, stateId, path }));
  const harnesses = told(
    'harnesses',
    harnessesOf(client, found, loaded, () =>
      loaded ? examineHarnesses(loaded, children, { resolveFrom: packageFolder, environment }) : Promise.resolve([]),
    ),
  );

  yield { subject: 'tool', findings: await examineTool(readVersion(), path) };
  yield {
    subject: 'state folder',
    findings: [
      ...examineStateFolder(state, { minFreeBytes: loaded?.configuration.defaults.min_free_disk ?? usualFreeBytes }),
      found.finding,
      ...(await examineProcesses({ root: paths.processes, stateId, daemonRuns: found.status !== undefined })),
    ],
  };
  yield {
    subject: 'configuration',
    findings: [...configuration.findings, ...differencesOf(call, state, config, found, loaded), examineTrust(environment)],
  };
  yield { subject: 'harnesses', findings: [{ check: 'PATH', status: 'ok', message: path }, ...(await harnesses)] };
  yield { subject: 'supervision', findings: await supervision };
  yield {
    subject: 'listeners',
    findings: listenersOf(found, loaded ? examineListeners(loaded.configuration.listen, paths) : [unread('listen')]),
  };
  yield {
    subject: 'telemetry',
    findings: found.status
      ? telemetryFindings(found.status.telemetry)
      : loaded
        ? examineTelemetry(loaded.configuration.telemetry.destinations, environment)
        : [unread('destinations')],
  };
  yield { subject: 'database', findings: database.findings };
}

/** What is wrong is told where the configuration is looked at. */
function unread(check: string): Finding {
  return { check, status: 'skipped', message: 'not looked at: the configuration cannot be read' };
}

/** A look that fails is a finding too: a daemon may end in its middle, and the rest is looked at all the same. */
async function told(check: string, looking: Promise<Finding[]>): Promise<Finding[]> {
  return await looking.catch((error: unknown) => [errorFrom(check, error)]);
}

function examineConfiguration(call: Call, config: string | undefined): { loaded?: LoadedConfiguration; findings: Finding[] } {
  try {
    const loaded = loadConfiguration(configOf(config, call.world), call.world.env);
    const none = 'there is no file; everything has its default';
    const message = loaded.file === undefined ? none : 'can be read';
    return { loaded, findings: [{ check: 'file', status: 'ok', message, ...(loaded.file === undefined ? {} : { where: loaded.file }) }] };
  } catch (error) {
    return { findings: [errorFrom('file', error)] };
  }
}

/** The record that attempts of this daemon would read. */
function examineTrust(environment: NodeJS.ProcessEnv): Finding {
  const where = trustFile(environment);
  if (where === undefined) return { check: 'trust', status: 'ok', message: 'no folder is trusted: there is no home to record it in' };
  try {
    const { length } = readTrust(where);
    if (length === 0) return { check: 'trust', status: 'ok', message: 'no folder is trusted' };
    return { check: 'trust', status: 'ok', message: `${plural(length, 'folder')} may configure agents`, where };
  } catch (error) {
    return errorFrom('trust', error, where);
  }
}

/** A daemon has read its configuration when it was started. */
function differencesOf(
  call: Call,
  state: string,
  config: string | undefined,
  { status }: DaemonFound,
  loaded: LoadedConfiguration | undefined,
): Finding[] {
  if (!status || !loaded) return [];
  const found = differences(state, configOf(config, call.world), call.world.env);
  return found.map((message) => ({ check: 'daemon', status: 'warning', message, mend: 'singletree down && singletree up --detach' }));
}

/** A daemon that runs listens where its own configuration had it listen, and at the port that it got. */
function listenersOf({ status }: DaemonFound, configured: Finding[]): Finding[] {
  if (!status) return configured;
  const { tcpAddress } = status;
  return configured.map((finding): Finding => {
    if (finding.check !== 'tcp') return finding;
    if (tcpAddress === undefined) {
      return finding.status === 'skipped' ? finding : { check: 'tcp', status: 'skipped', message: 'off in the daemon that runs' };
    }
    if (finding.message.startsWith(`${tcpAddress},`)) return finding;
    return { check: 'tcp', status: 'ok', message: `${tcpAddress}, for whoever shows a token: so the daemon that runs listens` };
  });
}

/** Asked of the daemon that runs, since it is the one that starts them; else as one would see them that is started now. */
async function harnessesOf(
  client: Singletree,
  { status }: DaemonFound,
  loaded: LoadedConfiguration | undefined,
  byMyself: () => Promise<Finding[]>,
): Promise<Finding[]> {
  if (status) {
    const listed = await client.harnesses.list({ refresh: true });
    return listed.map((harness) => harnessFinding(harness, loaded?.configuration.defaults.harness));
  }
  if (loaded) return await byMyself();
  return [unread('harnesses')];
}
