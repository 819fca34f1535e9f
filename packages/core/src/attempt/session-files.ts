import { glob, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionFile } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';

/** Larger files are left out: a session's own records are a few megabytes, and a reader must not exhaust the daemon. */
const largestBytes = 256 * 1024 * 1024;

/** A session's own files as they are now, for the plugin to read. None where the plugin names none or they are not there. */
export async function readSessionFiles(
  plugin: Plugin,
  sessionId: string,
  environment: Readonly<Record<string, string>>,
): Promise<SessionFile[]> {
  const home = environment['HOME'];
  const patterns = plugin.harness.sessionFiles?.(sessionId);
  if (home === undefined || !patterns) return [];
  const files: SessionFile[] = [];
  for (const pattern of patterns) {
    for await (const name of glob(pattern, { cwd: home })) {
      const path = join(home, name);
      if ((await stat(path)).size <= largestBytes) files.push({ path: name, bytes: await readFile(path) });
    }
  }
  return files;
}
