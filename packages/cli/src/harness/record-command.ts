import { access, mkdir, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { extname, join, relative, resolve } from 'node:path';
import { childEnvironment, isSessionId, readSessionFiles, type Plugin } from '@singletree/core/kit';
import { foldUsage, type AttemptUsage, type HarnessEvent, type SessionFile } from '@singletree/harness';
import type { Attempt, Singletree, Task } from '@singletree/sdk';
import type { Call } from '../call.ts';
import type { HarnessFlags } from '../commands/harness.ts';
import { environmentOf } from '../doctor/daemon.ts';
import { exitCodes } from '../exit-codes.ts';
import { badInput, CommandFailure } from '../failure.ts';
import { taskIdOf } from '../task-argument.ts';
import { decoded } from './decode.ts';
import { pluginOf } from './plugin.ts';
import { scrubbed, scrubsOf, type Scrub } from './scrub.ts';

/** Makes a fixture from an attempt that has ended: what its harness printed, what its decoder makes of that, and the session's files. */
export async function record(call: Call, [argument = '-']: readonly string[], flags: HarnessFlags): Promise<void> {
  if (flags.out === undefined) throw badInput('--out is missing', 'name the folder of fixtures: --out fixtures', 'USAGE');
  if (flags.name !== undefined && !/^[A-Za-z0-9][\w.-]{0,99}$/.test(flags.name))
    throw badInput(`--name "${flags.name}" is no name of a file`);
  const client = await call.client();
  const task = await client.tasks.get(await taskIdOf(argument, client));
  const attempt = attemptOf(task, flags.attempt);
  const status = await client.daemon.status();
  const environment = ((await call.isOverTcp()) ? undefined : environmentOf(status.pid)) ?? call.world.env;
  const plugin = await pluginOf(attempt.harness, call, flags.config ?? status.configFile, environment);
  const version = await versionOf(attempt, plugin);
  const folder = join(resolve(call.world.cwd, flags.out), version);
  const name = flags.name ?? slug(task.title);
  const files = [join(folder, `${name}.jsonl`), join(folder, `${name}.expected.json`)] as const;
  const session = join(folder, 'sessions', name);
  for (const path of [...files, session]) if (await exists(path)) throw badInput(`${path} is there already`, 'give another --name');

  const scrubs = scrubsOf(await surroundings(plugin, task, status.state, environment));
  const printed = await outputOf(client, task, attempt);
  const stdout = scrubbed(printed, scrubs);
  const events = await eventsOf(plugin, stdout);
  const [own, kinds] = [await eventsOf(plugin, printed), events.map(({ kind }) => kind)];
  const at = own.findIndex(({ kind }, place) => kind !== kinds[place]);
  if (at >= 0 || own.length !== kinds.length) {
    const lost = own[at] ?? own.at(-1);
    const where = lost === undefined ? '' : ` (${lost.kind}, in the line that ends at byte ${lost.endsAt})`;
    throw new CommandFailure(
      `what had to be taken out of the recording is something that the decoder reads${where}: it cannot be given away`,
      {
        code: 'failed_precondition',
        reason: 'NOT_SCRUBBED',
        hint: 'is a configured key or variable a word that the CLI prints?',
        exitCode: exitCodes.failure,
      },
    );
  }
  const kept = await sessionOf(call, plugin, task, attempt, environment, scrubs);

  await mkdir(folder, { recursive: true });
  await writeFile(files[0], stdout);
  await writeFile(files[1], json({ expected: expectedOf(foldUsage(events, plugin.harness.capabilities)) }));
  const written: string[] = [...files];
  if (kept) written.push(...(await writeSession(session, { ...kept, stdout, plugin, events })));
  const shown = written.map((path) => relative(call.world.cwd, path));
  if (call.json) return call.printJson({ harness: attempt.harness, version, files: written });
  call.print(shown);
  call.note(
    'what is expected there is what the decoder says: compare it with what the provider counted, and read all of it, before you give it away',
  );
}

async function eventsOf(plugin: Plugin, stdout: Uint8Array): Promise<readonly HarnessEvent[]> {
  const events: HarnessEvent[] = [];
  for await (const some of decoded(plugin.harness, 'stdout', inPieces(stdout), undefined)) events.push(...some);
  return events;
}

function attemptOf({ id, attempts }: Task, wanted: number | undefined): Attempt {
  const attempt = attempts.find(({ number }) => number === (wanted ?? 1));
  if (!attempt)
    throw badInput(`task ${id} has no attempt ${wanted ?? 1}`, attempts.length === 0 ? 'it was not started' : `it has ${attempts.length}`);
  if (attempt.endedAt === undefined)
    throw badInput(`attempt ${attempt.number} of task ${id} has not ended`, 'singletree watch tells when it has');
  if (attempt.resumed) {
    throw badInput(
      `attempt ${attempt.number} went on in an earlier attempt's session`,
      'what that session had used before is not kept in a form that could be given away: record the first attempt of a session',
    );
  }
  return attempt;
}

async function versionOf({ harnessVersion }: Attempt, plugin: Plugin): Promise<string> {
  const told = harnessVersion ?? (await plugin.probe(0).then((probe) => ('version' in probe ? probe.version : undefined)));
  if (told !== undefined && /^\d[\w.+-]*$/.test(told)) return told;
  throw badInput(`nothing tells of which version ${plugin.harness.displayName} was`, 'neither its output nor its probe');
}

async function outputOf(client: Singletree, task: Task, { number }: Attempt): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const { source, data } of client.tasks.logs(task.id, { attempt: number, roles: ['harness'] }))
    if (source === 'stdout') parts.push(data);
  if (parts.length === 0) throw badInput(`attempt ${number} of task ${task.id} printed nothing`);
  return Buffer.concat(parts);
}

async function surroundings(
  plugin: Plugin,
  task: Task,
  state: string,
  environment: NodeJS.ProcessEnv,
): Promise<Parameters<typeof scrubsOf>[0]> {
  // A key that cannot be read cannot be taken out either.
  const keys = await Promise.all([plugin.apiKey, ...Object.values(plugin.secrets)].map(async (reader) => await reader?.()));
  return {
    home: environment['HOME'],
    state,
    workspace: task.workspace.path,
    temporary: environment['TMPDIR'] ?? tmpdir(),
    names: [environment['USER'], environment['LOGNAME'], hostname()].filter((name) => name !== undefined),
    // A short value of a variable is a word like others, and no secret.
    secrets: [
      ...keys.filter((key) => key !== undefined),
      ...Object.values(plugin.configuredEnvironment).filter((value) => value.length >= 8),
    ],
  };
}

interface Kept {
  readonly id: string;
  readonly files: readonly SessionFile[];
}

/** The session's files, where they tell of this attempt alone. */
async function sessionOf(
  call: Call,
  plugin: Plugin,
  task: Task,
  { number, harnessSessionId: id }: Attempt,
  environment: NodeJS.ProcessEnv,
  scrubs: readonly Scrub[],
): Promise<Kept | undefined> {
  if (!plugin.harness.reconcile || !isSessionId(id)) return undefined;
  if (task.attempts.some((other) => other.number !== number && other.harnessSessionId === id)) {
    call.warn('the session was gone on in by a later attempt: its files tell of both, and are left out');
    return undefined;
  }
  const { files } = await readSessionFiles(plugin, id, childEnvironment(environment));
  const binary = files.filter(({ bytes }) => bytes.includes(0));
  for (const { path } of binary) call.warn(`${path} is no text and cannot be scrubbed: it is left out`);
  const texts = files.filter((file) => !binary.includes(file));
  if (texts.length === 0) return undefined;
  return {
    id,
    files: texts.map(({ path, bytes }) => ({ path: scrubbed(Buffer.from(path), scrubs).toString('utf8'), bytes: scrubbed(bytes, scrubs) })),
  };
}

async function writeSession(
  folder: string,
  {
    id,
    files,
    stdout,
    plugin,
    events,
  }: Kept & { readonly stdout: Buffer; readonly plugin: Plugin; readonly events: readonly HarnessEvent[] },
): Promise<string[]> {
  const reconciliation = plugin.harness.reconcile?.({ sessionId: id, files, baseline: undefined, events });
  const copies = files.map(({ path, bytes }, at) => ({ path, copy: `file-${at}${extname(path)}`, bytes }));
  const expected = expectedOf(foldUsage(events, plugin.harness.capabilities, reconciliation));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'stdout.jsonl'), stdout);
  for (const { copy, bytes } of copies) await writeFile(join(folder, copy), bytes);
  await writeFile(join(folder, 'case.json'), json({ sessionId: id, files: copies.map(({ path, copy }) => ({ path, copy })), expected }));
  return ['stdout.jsonl', ...copies.map(({ copy }) => copy), 'case.json'].map((name) => join(folder, name));
}

/** What a person must check, and later changes must keep: a figure that is absent must stay absent. */
function expectedOf(usage: AttemptUsage): Record<string, unknown> {
  const { sessionId, model, harnessVersion, total, subagents, turns, costUsdMicros, provenance, lowerBound, compactions, context } = usage;
  const { evidence, tools, filesChanged, apiRetries, permissionDenials, unknownEvents } = usage;
  const figures = {
    sessionId,
    model,
    harnessVersion,
    total,
    subagents,
    turns,
    costUsdMicros,
    provenance,
    lowerBound,
    compactions,
    context,
  };
  const counts = { evidence, tools, filesChanged, apiRetries, permissionDenials, unknownEvents };
  return Object.fromEntries(Object.entries({ ...figures, ...counts }).map(([field, value]) => [field, value ?? null]));
}

function slug(title: string): string {
  return (
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 40) || 'recording'
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 256 * 1024) yield bytes.subarray(at, at + 256 * 1024);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
