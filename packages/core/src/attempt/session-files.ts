import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionFile } from '@singletree/harness';
import type { Plugin } from '../plugins/catalogue.ts';
import { readRegularFile } from './regular-file.ts';

/** For all files of a session together: its own records are a few megabytes, and a reader must not exhaust the daemon. */
const mostBytes = 256 * 1024 * 1024;
const mostFiles = 1_000;

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
  const home = environment['HOME'];
  const files: SessionFile[] = [];
  if (home === undefined) return { files, incomplete: false };
  let incomplete = false;
  let budget = mostBytes;
  for (const pattern of plugin.harness.sessionFiles?.(sessionId) ?? []) {
    for await (const name of glob(pattern, { cwd: home })) {
      if (files.length >= mostFiles) return { files, incomplete: true };
      const read = await readRegularFile(join(home, name), budget);
      if ('refused' in read) {
        incomplete = true;
        continue;
      }
      files.push({ path: name, bytes: read.bytes });
      budget -= read.bytes.length;
    }
  }
  return { files, incomplete };
}
