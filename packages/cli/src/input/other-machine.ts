import { isAbsolute } from 'node:path';
import { badInput } from '../failure.ts';

/** Refuses what names a path of this machine where the daemon is on another one. `fromFile`: the workspace that a file of tasks names. */
export function refusePathsOfHere(
  machine: string,
  { workspace, context }: { readonly workspace?: string; readonly context?: readonly string[] },
  fromFile: string | undefined,
): void {
  const hint = `name a folder of ${machine} by its absolute path: --workspace /path/there`;
  if (workspace === undefined && fromFile === undefined) throw badInput(`the daemon is on ${machine}, where this folder is none`, hint);
  if (workspace !== undefined && !isAbsolute(workspace))
    throw badInput(`--workspace ${workspace} is taken from here, but the daemon is on ${machine}`, hint);
  if (context !== undefined)
    throw badInput(
      `--context ${context[0] ?? ''} is looked for here, but the daemon is on ${machine}`,
      'put it into the prompt, or name it by its path in the workspace in a file of tasks',
    );
}
