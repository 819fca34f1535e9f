import type { PermissionMode } from '@singletree/harness';
import type { Rules } from './options.ts';

const look: Rules = { read: 'allow', glob: 'allow', grep: 'allow', list: 'allow' };

/**
 * Nothing may ask: a question that nobody answers ends the run as if all were well. So does the CLI's own question whether to go on after
 * equal calls in a row (`doom_loop`); the daemon's watchdog has an eye on them.
 */
const modes: Readonly<Record<PermissionMode, Rules>> = {
  all: { '*': 'allow' },
  edits: { '*': 'deny', ...look, edit: 'allow', todowrite: 'allow', doom_loop: 'allow' },
  read: { '*': 'deny', ...look, doom_loop: 'allow' },
};

/**
 * The rules of a mode. The CLI merges them into the user's own, name by name, and the last rule that fits counts: under the usual names they
 * would stand where the user's stand, in any order. So each gets a name that means the same and that nobody writes.
 */
export function permissionRules(mode: PermissionMode, own: Rules | undefined): Rules {
  return Object.fromEntries(Object.entries({ ...modes[mode], ...own }).map(([name, rule]) => [unusual(name), rule]));
}

/** `*` as `**`, `bash` as `bas?`; a pattern of the user's as it is. */
function unusual(name: string): string {
  if (name === '*') return '**';
  return /[*?]/.test(name) || name.length < 2 ? name : `${name.slice(0, -1)}?`;
}
