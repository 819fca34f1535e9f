import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessRole } from '../task/task.ts';

/** The directory of a supervised process, of whichever attempt: tasks themselves name only those of their newest one. */
export interface ProcessDirectory {
  readonly path: string;
  readonly attempt: number;
  readonly role: ProcessRole;
  /** Place of the setup command or gate in its list. */
  readonly ordinal: number;
  /** From 1; more where it was run again after its supervisor had died. */
  readonly run: number;
}

/** In the order in which an attempt runs them. */
const roles: readonly ProcessRole[] = ['setup', 'harness', 'gate'];
const processName = /^(setup|harness|gate)-(\d+)-(\d+)$/;

/** What is kept of a task's processes, in the order in which they ran: `<root>/<task>/<attempt>/<role>-<ordinal>-<run>`. */
export async function processDirectories(root: string, taskId: string): Promise<ProcessDirectory[]> {
  const folder = join(root, taskId);
  const attempts = (await foldersIn(folder)).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(attempts.map(async (name) => directoriesOf(join(folder, name), Number(name))));
  return found
    .flat()
    .toSorted((a, b) => a.attempt - b.attempt || placeOf(a.role) - placeOf(b.role) || a.ordinal - b.ordinal || a.run - b.run);
}

async function directoriesOf(folder: string, attempt: number): Promise<ProcessDirectory[]> {
  return (await foldersIn(folder)).flatMap((name) => {
    const [, word, ordinal, run] = processName.exec(name) ?? [];
    const role = roles.find((each) => each === word);
    return role === undefined ? [] : [{ path: join(folder, name), attempt, role, ordinal: Number(ordinal), run: Number(run) }];
  });
}

function placeOf(role: ProcessRole): number {
  return roles.indexOf(role);
}

/** Folders, and no links to any: what is below is read and given out. */
async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}
