import { resolve } from 'node:path';
import { contextOf, isSessionId, type Plugin } from '@singletree/core/kit';
import {
  createUsageFold,
  isJsonObject,
  objectOf,
  type Baseline,
  type HarnessEvent,
  type ReconcileInput,
  type Reconciliation,
} from '@singletree/harness';
import type { Call } from '../call.ts';
import type { HarnessFlags } from '../commands/harness.ts';
import { badInput } from '../failure.ts';
import { cut } from '../terminal/text.ts';
import { asked, decoded } from './decode.ts';
import { eventJson, eventText } from './event-line.ts';
import { pluginOf } from './plugin.ts';
import { isDatabase, openRecording, readSmall } from './recording.ts';
import { asSessionFiles, rowsOf } from './session-files.ts';
import { summaryLines } from './summary-lines.ts';
import { summaryOf } from './summary.ts';

/** Decodes a recorded output: the events, or what they come to. */
export async function decode(call: Call, [id = '', file = '-']: readonly string[], flags: HarnessFlags): Promise<void> {
  refuseWithoutSummary(flags);
  const plugin = await pluginOf(id, call, flags.config);
  const { harness } = plugin;
  const { world } = call;
  const exit = flags.exit === undefined ? undefined : exitOf(flags.exit);
  const baseline = flags.baseline === undefined ? undefined : await baselineIn(flags.baseline, world.cwd);
  const files = flags.sessionFile ?? [];
  if (files.length > 0 && !harness.reconcile) throw badInput(`the plugin of ${id} reads no session files`);
  // Before anything is decoded: what is typed wrongly is said at once.
  const databases = await Promise.all(files.map(async (path) => await isDatabase(path, world.cwd)));
  const stdout = await openRecording(file, world);
  const stderr = flags.stderr === undefined ? undefined : await openRecording(flags.stderr, world);

  const fold = createUsageFold(harness.capabilities);
  /** A reconciliation wants them all. */
  const kept: HarnessEvent[] = [];
  const tail = new Tail();
  let heard = false;
  const take = (events: readonly HarnessEvent[]): void => {
    if (!flags.summary) return printEvents(call, events);
    for (const event of events) {
      fold.add(event);
      heard ||= event.kind !== 'raw' && event.kind !== 'warning';
    }
    if (files.length > 0) kept.push(...events);
  };
  for await (const events of decoded(harness, 'stdout', stdout, baseline)) take(events);
  if (stderr) for await (const events of decoded(harness, 'stderr', tail.of(stderr), baseline)) take(events);
  if (!flags.summary) return;

  const sessionId = flags.session ?? fold.summary().sessionId;
  const given = { files: files.filter((_, at) => !databases[at]), databases: files.filter((_, at) => databases[at]) };
  const reconciliation = files.length > 0 ? await reconciled(plugin, sessionId, given, { baseline, events: kept }, world.cwd) : undefined;
  const told = fold.summary(reconciliation);
  const evidence = told.evidence ?? (exit && asked(() => harness.exitEvidence?.({ ...exit, stderrTail: tail.text })));
  const summary = summaryOf(
    harness.harnessId,
    { ...told, context: contextOf(told, plugin, {}), ...(sessionId === undefined ? {} : { sessionId }), ...(evidence ? { evidence } : {}) },
    heard || reconciliation !== undefined,
  );
  if (!heard && told.unknownEvents > 0) call.warn(`nothing of it is what ${harness.displayName} prints: none of its lines is known`);
  if (call.json) call.printJson(summary);
  else call.print(summaryLines(summary, call.look));
}

/** What changes only what the whole comes to must not be passed over in silence. */
function refuseWithoutSummary({ summary, sessionFile, session, exit }: HarnessFlags): void {
  const flag = sessionFile ? '--session-file' : session === undefined ? exit && '--exit' : '--session';
  if (!summary && flag) throw badInput(`${flag} changes no event`, 'it corrects what all comes to: add --summary', 'USAGE');
}

function printEvents(call: Call, events: readonly HarnessEvent[]): void {
  if (call.json) for (const event of events) call.printJson(eventJson(event));
  else call.print(events.map((event) => cut(eventText(event), call.look.width, call.look.unicode ? '…' : '...')));
}

async function reconciled(
  { harness }: Plugin,
  sessionId: string | undefined,
  given: { readonly files: readonly string[]; readonly databases: readonly string[] },
  told: Pick<ReconcileInput, 'baseline' | 'events'>,
  cwd: string,
): Promise<Reconciliation | undefined> {
  if (!isSessionId(sessionId)) throw badInput('the output does not tell which session it is of', 'name it with --session');
  const read = await Promise.all(given.files.map(async (path) => ({ path: resolve(cwd, path), bytes: await readSmall(path, cwd) })));
  const rows = await Promise.all(given.databases.map(async (path) => await rowsOf(harness, sessionId, resolve(cwd, path))));
  const files = asSessionFiles(harness, sessionId, read, rows.flat());
  return asked(() => harness.reconcile?.({ sessionId, files, ...told }));
}

/** `0`, `137`, `SIGKILL` */
function exitOf(text: string): { readonly code: number | null; readonly signal: string | null } {
  if (/^\d{1,3}$/.test(text)) return { code: Number(text), signal: null };
  if (/^SIG[A-Z0-9]+$/.test(text)) return { code: null, signal: text };
  throw badInput(`--exit "${text}" is neither an exit code nor a signal`, 'write for example 1 or SIGKILL');
}

/** As it is stored: alone, or under `baseline`, as in the file beside a recording. */
async function baselineIn(path: string, cwd: string): Promise<Baseline> {
  const json = parsed(await readSmall(path, cwd));
  const { version, data } = objectOf(objectOf(json)['baseline'] ?? json);
  if (typeof version === 'number' && isJsonObject(data)) return { version, data };
  throw badInput(`${path} holds no baseline`, 'expected { "version": 1, "data": {…} }, or the same under "baseline"');
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The end of what went by: as much as the daemon shows a plugin. */
class Tail {
  static readonly #mostBytes = 16 * 1024;
  #bytes = Buffer.alloc(0);

  get text(): string {
    return this.#bytes.toString('utf8');
  }

  async *of(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.#bytes = Buffer.concat([this.#bytes, piece]).subarray(-Tail.#mostBytes);
      yield piece;
    }
  }
}
