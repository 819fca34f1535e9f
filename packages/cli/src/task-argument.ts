import type { Singletree } from '@singletree/sdk';
import { badInput } from './failure.ts';

/** The TASK of a command line: an id, the beginning of one, or `-` for the newest. */
export async function taskIdOf(argument: string, { tasks }: Singletree): Promise<string> {
  if (argument === '-') {
    for await (const { id } of tasks.list({ pageSize: 1 })) return id;
    throw badInput('there is no task yet', 'singletree run "what should be done"', 'TASK_NOT_FOUND');
  }
  const id = argument.toLowerCase();
  if (/^[0-9a-f][0-9a-f-]{0,35}$/.test(id)) return id;
  throw badInput(
    `"${argument}" is no task`,
    'singletree ls lists the tasks; the beginning of an id is enough, - is the newest',
    'TASK_NOT_FOUND',
  );
}

/** The beginning of an id that a person can type: it holds the time of creation to the millisecond. */
export function shortId(id: string): string {
  return id.slice(0, 13);
}

/** Beginnings of ids that tell them apart. */
export function shortIds(ids: readonly string[]): Map<string, string> {
  const lengths = [13, 18, 23, 36];
  const length = lengths.find((each) => new Set(ids.map((id) => id.slice(0, each))).size === ids.length) ?? 36;
  return new Map(ids.map((id) => [id, id.slice(0, length)]));
}
