import type { Harness, SessionFile } from '@singletree/harness';
import { asked } from './decode.ts';

/** A file that somebody named. */
export interface GivenFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Session files by the names that the plugin knows them by, wherever they lie and however they are called now: one whose path ends as the
 * plugin's patterns do has that place; of one that was only moved, the file's name decides; any other, in the order given, stands for the
 * first pattern. Undefined for a plugin that reads no session files.
 */
export function asSessionFiles(harness: Harness, sessionId: string, given: readonly GivenFile[]): readonly SessionFile[] | undefined {
  if (!harness.sessionFiles || !harness.reconcile) return undefined;
  const placed: SessionFile[] = [];
  let open = given;
  for (;;) {
    // What a file says may be where the next one is.
    const patterns = asked(() => harness.sessionFiles?.(sessionId, placed)) ?? [];
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

function placeIn(patterns: readonly string[], path: string): string | undefined {
  const names = path.split('/');
  for (const pattern of patterns) {
    const [, prefix = '', rest = ''] = /^(\$\w+\/)?(.*)$/s.exec(pattern) ?? [];
    const wanted = rest.split('/');
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
