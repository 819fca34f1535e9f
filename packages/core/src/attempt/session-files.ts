import { glob, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionFile } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import { placeOf } from '../plugins/place.ts';
import { readRegularFile, type ReadFile } from './regular-file.ts';
import { readRows } from './session-rows.ts';

/** For all files of a session together: its own records are a few megabytes, and a reader must not exhaust the daemon. */
const mostBytes = 256 * 1024 * 1024;
const mostFiles = 1_000;
const mostPatterns = 1_000;

/** What a session id may be: it comes from the output of a CLI, and goes into file patterns and onto command lines. */
const sessionIds = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function isSessionId(id: string | undefined): id is string {
  return id !== undefined && sessionIds.test(id);
}

export interface SessionFiles {
  readonly files: readonly SessionFile[];
  /** Something bears the name of a session file and was not read: what the files tell is not all. */
  readonly incomplete: boolean;
}

/** A session's own files as they are now, for the plugin to read. None where the plugin names none or they are not there. */
export async function readSessionFiles(
  plugin: Plugin,
  sessionId: string,
  environment: Readonly<Record<string, string>>,
): Promise<SessionFiles> {
  const files: SessionFile[] = [];
  const asked = new Set<string>();
  const seen = new Set<string>();
  const places = { ...environment, ...plugin.configuredEnvironment };
  let incomplete = false;
  let budget = mostBytes;
  const take = (path: string, read: ReadFile): void => {
    if ('refused' in read) incomplete = true;
    else {
      files.push({ path, bytes: read.bytes });
      budget -= read.bytes.length;
    }
  };
  for (const query of plugin.harness.sessionQueries?.(sessionId) ?? []) {
    const place = placeOf(query.path, places);
    if (place && (await isThere(join(place.root, place.name))))
      take(query.path, await readRows(join(place.root, place.name), query, budget));
  }
  for (;;) {
    const named = plugin.harness.sessionFiles?.(sessionId, files) ?? [];
    const patterns = named.filter((pattern) => !asked.has(pattern));
    if (patterns.length === 0) return { files, incomplete };
    if (asked.size + patterns.length > mostPatterns) return { files, incomplete: true };
    for (const pattern of patterns) {
      asked.add(pattern);
      const place = placeOf(pattern, places);
      if (!place) continue;
      for await (const name of glob(place.name, { cwd: place.root })) {
        const path = join(place.root, name);
        if (seen.has(path)) continue;
        seen.add(path);
        if (files.length >= mostFiles) return { files, incomplete: true };
        take(`${place.prefix}${name}`, await readRegularFile(path, budget));
      }
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
