import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { WorkspaceMode } from '../task/task.ts';
import { invalidUtf8At } from '../utf8.ts';
import { readRegularFile } from './regular-file.ts';

/** Largest file that a task may give as context. */
const mostBytes = 1024 * 1024;

/** A file that a task gives as context: its text, or why there is none, in words that follow its name. `mode`: how the workspace was made. */
export async function readContextFile(
  workspace: string,
  path: string,
  mode: WorkspaceMode = 'in_place',
): Promise<{ readonly text: string } | { readonly refused: string }> {
  const root = await realpath(workspace);
  const found = await realpath(join(root, path)).catch(notThere);
  if (found === undefined) {
    const uncommitted = mode === 'in_place' ? '' : `: a ${mode} has only what is committed; commit it, or work in place`;
    return { refused: `does not exist in the workspace${uncommitted}` };
  }
  if (!found.startsWith(root === sep ? sep : root + sep)) return { refused: 'is not in the workspace' };
  const read = await readRegularFile(found, mostBytes);
  if ('refused' in read) return read;
  const invalid = invalidUtf8At(read.bytes);
  if (invalid !== undefined) return { refused: `is not valid UTF-8 at byte ${invalid}` };
  const nul = read.bytes.indexOf(0);
  if (nul >= 0) return { refused: `holds a NUL at byte ${nul}` };
  return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(read.bytes) };
}

function notThere(): undefined {
  return undefined;
}
