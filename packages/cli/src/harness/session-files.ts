import { realpath } from 'node:fs/promises';
import { readRows } from '@singletree/core/kit';
import type { Harness, SessionFile } from '@singletree/harness';
import { badInput } from '../failure.ts';
import { asked } from './decode.ts';

/** Of all rows of a session. */
const mostBytes = 256 * 1024 * 1024;

/** A file that somebody named. */
export interface GivenFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Session files by the names that the plugin knows them by, wherever they lie and however they are called now: one whose path ends as the
 * plugin's patterns do has that place; of one that was only moved, the file's name decides; any other, in the order given, stands for the
 * first place: the rows of a database where the plugin asks one. What was given already may name further files too.
 */
export function asSessionFiles(
  harness: Harness,
  sessionId: string,
  given: readonly GivenFile[],
  rows: readonly SessionFile[],
): readonly SessionFile[] {
  const databases = (harness.sessionQueries?.(sessionId) ?? []).map(({ path }) => path);
  const placed = [...rows];
  let open = given;
  for (;;) {
    const patterns = [...databases, ...(asked(() => harness.sessionFiles?.(sessionId, placed)) ?? [])];
    const fitting = open.flatMap((file): (readonly [GivenFile, string])[] => {
      const path = placeIn(patterns, file.path);
      return path === undefined ? [] : [[file, path]];
    });
    const [first] = open;
    if (fitting.length === 0 && first && patterns[0] !== undefined) {
      fitting.push([first, patterns[0].replaceAll('*', `copy-${placed.length + 1}`)]);
    }
    if (fitting.length === 0) return placed;
    placed.push(...fitting.map(([{ bytes }, path]) => ({ path, bytes })));
    open = open.filter((file) => !fitting.some(([taken]) => taken === file));
  }
}

/** What the plugin asks of a database that somebody named. */
export async function rowsOf(harness: Harness, sessionId: string, path: string): Promise<readonly SessionFile[]> {
  const queries = asked(() => harness.sessionQueries?.(sessionId)) ?? [];
  // Several paths are places where the same database may be.
  const wanted = queries.filter((query) => query.path === queries[0]?.path);
  return await Promise.all(
    wanted.map(async (query) => {
      const read = await readRows(await realpath(path), query, mostBytes);
      if ('refused' in read) throw badInput(`${path} ${read.refused}`);
      return { path: query.path, bytes: read.bytes };
    }),
  );
}

function placeIn(patterns: readonly string[], path: string): string | undefined {
  const names = path.split('/');
  const places = patterns.map((pattern) => {
    const [, prefix = '', rest = ''] = /^(\$\w+\/)?(.*)$/s.exec(pattern) ?? [];
    return { prefix, wanted: rest.split('/') };
  });
  // What a variable names may be any folder: a pattern that says more of the path goes first.
  for (const { prefix, wanted } of places.toSorted((a, b) => b.wanted.length - a.wanted.length)) {
    const own = names.slice(-wanted.length);
    if (own.length === wanted.length && own.every((name, at) => fits(name, wanted[at] ?? ''))) return prefix + own.join('/');
  }
  const base = names.at(-1) ?? '';
  const moved = patterns.find((pattern) => fits(base, pattern.split('/').at(-1) ?? ''));
  return moved === undefined ? undefined : [...moved.split('/').slice(0, -1).join('/').replaceAll('*', 'copy').split('/'), base].join('/');
}

function fits(name: string, pattern: string): boolean {
  const literal = (part: string): string => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`, 's').test(name);
}
