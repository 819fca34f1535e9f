import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { changeTrust, covers, readTrust, trustFile } from '@singletree/core/local';
import { Option } from 'commander';
import type { Call, CommandModule } from '../call.ts';
import { badInput } from '../failure.ts';
import { plural } from '../terminal/figures.ts';
import { agentReads } from '../terminal/look.ts';
import { table } from '../terminal/table.ts';
import { oneLine } from '../terminal/text.ts';

interface TrustFlags {
  readonly list?: true;
  readonly revoke?: true;
  readonly yesFromAgent?: true;
}

export const trust: CommandModule = {
  define(command) {
    command
      .addOption(new Option('--list', 'show what is trusted').conflicts('revoke'))
      .option('--revoke', 'trust the folder no longer')
      .addOption(new Option('--yes-from-agent', 'a person has agreed to it, where a coding agent types this'))
      .addHelpText(
        'after',
        `
What a repository says to coding agents (hooks, MCP servers, settings, plugins) is code that runs as you. Agents are told to ignore it, unless
the workspace lies in a folder that you trust: the folder here or the one that is named, by its real path, with all that lies below it. It counts
from the next attempt on.

Examples:
  singletree trust
  singletree trust ~/src/shop
  singletree trust --list
  singletree trust --revoke ~/src/shop`,
      );
  },

  async run(call, command) {
    const flags = command.opts<TrustFlags>();
    const [named] = command.args;
    const machine = await call.otherMachine();
    if (machine !== undefined)
      throw badInput(`what is trusted is recorded on the machine of the daemon, ${machine}`, `type this on ${machine}`, 'OTHER_MACHINE');
    const file = trustFile(call.world.env);
    if (file === undefined) throw badInput('nobody knows where your trust is recorded', 'set HOME or XDG_CONFIG_HOME');
    if (flags.list && named !== undefined) throw badInput('--list lists every folder', 'singletree trust --list', 'USAGE');
    if (flags.list) return list(call, file);
    const path = resolve(call.world.cwd, named ?? '.');
    if (flags.revoke) return revoke(call, file, path);
    if (agentReads(call.world.env) && !flags.yesFromAgent) {
      throw badInput(
        'an agent may not say what is trusted',
        'a person types this; or say that one has agreed, with --yes-from-agent',
        'NEEDS_A_PERSON',
      );
    }
    give(call, file, path);
  },
};

function give(call: Call, file: string, named: string): void {
  const path = realFolder(named);
  const home = call.world.env['HOME'];
  if (isTooMuch(path, home)) {
    throw badInput(`${path} holds everything that you will ever clone`, 'trust the repository, or a folder in which only yours lie');
  }
  const top = checkoutOf(path);
  // A home folder may be a repository itself: what is cloned below it is none of its parts.
  if (top !== undefined && top !== path && !isTooMuch(top, home)) {
    throw badInput(
      `${path} is a part of the repository ${top}, and agents read the configuration of the whole`,
      `look at it, then: singletree trust ${quoted(top)}`,
    );
  }
  const before = readTrust(file);
  const isNew = !before.some((folder) => folder.path === path);
  if (isNew) changeTrust(file, (folders) => [...folders.filter((folder) => folder.path !== path), { path, since: Date.now() }]);
  if (call.json) return call.printJson({ path, trusted: true, changed: isNew, record: file });
  const covered = before.find((folder) => folder.path !== path && covers([folder], path));
  call.print([
    `${oneLine(path)} is ${isNew ? '' : 'already '}trusted: what repositories in it say to agents runs from the next attempt on`,
    ...(covered === undefined ? [] : [`it was covered by ${oneLine(covered.path)} before`]),
  ]);
  if (isNew) call.next([[`singletree trust --revoke ${quoted(path)}`, 'trust it no longer']]);
}

function revoke(call: Call, file: string, named: string): void {
  const folders = readTrust(file);
  const path = realOrNamed(named);
  const isTrusted = folders.some((folder) => folder.path === path);
  const above = folders.find((folder) => folder.path !== path && covers([folder], path));
  if (!isTrusted) {
    const hint = above
      ? `it is trusted with ${above.path}: singletree trust --revoke ${quoted(above.path)}`
      : 'singletree trust --list shows what is';
    throw badInput(`${path} is not in the list of what is trusted`, hint);
  }
  changeTrust(file, (current) => current.filter((folder) => folder.path !== path));
  if (call.json) return call.printJson({ path, trusted: above !== undefined, changed: true, record: file });
  call.print([`${oneLine(path)} is trusted no longer, from the next attempt on`]);
  if (above) call.warn(`it is still trusted with ${above.path}: singletree trust --revoke ${quoted(above.path)}`);
}

function list(call: Call, file: string): void {
  const folders = readTrust(file).map(({ path, since }) => ({ path, since: new Date(since).toISOString(), exists: existsSync(path) }));
  if (call.json) return call.printJson({ record: file, folders });
  if (call.quiet) return call.print(folders.map(({ path }) => oneLine(path)));
  if (folders.length === 0) return call.print(['nothing is trusted: what repositories say to agents is ignored']);
  const rows = folders.map(({ path, since, exists }) => [oneLine(path), since.slice(0, 10), exists ? '' : 'is gone']);
  call.print(table(call.look, [{ head: 'folder', least: 20 }, { head: 'since' }, { head: '' }], rows));
  call.note(`${plural(folders.length, 'folder')}, recorded in ${file}`);
}

function realFolder(named: string): string {
  let path: string;
  try {
    path = realpathSync(named);
  } catch (error) {
    throw badInput(`${named} cannot be trusted: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!statSync(path).isDirectory()) throw badInput(`${path} is a file`, `singletree trust ${quoted(dirname(path))}`);
  return path;
}

/** A folder that has gone is in the list by the path that it had. */
function realOrNamed(named: string): string {
  try {
    return realpathSync(named);
  } catch {
    return named;
  }
}

/** Whether whatever is ever cloned or unpacked would be trusted with it. */
function isTooMuch(path: string, home: string | undefined): boolean {
  const holds = (inner: string): boolean => inner === path || inner.startsWith(`${path}/`);
  return path === '/' || (home !== undefined && holds(realOrNamed(home)));
}

/** Top of the checkout in which a folder lies. */
function checkoutOf(path: string): string | undefined {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git'))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function quoted(path: string): string {
  return /^[\w./@%+,:-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
