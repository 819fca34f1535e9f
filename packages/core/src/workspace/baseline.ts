import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { writeDurably } from './durable.ts';
import type { RawPath } from './paths.ts';
import type { Workspace } from './workspace.ts';

/** What was in the workspace before any attempt, beside the tree of its base. */
export interface Baseline {
  /** Absent before the first commit. */
  readonly head?: string;
  /** What git ignored: files, and with a slash at the end whole directories. */
  readonly ignored: readonly RawPath[];
  /** Untracked files too large for the tree. */
  readonly tooLarge: readonly RawPath[];
  /** Repositories inside it that are no submodules. */
  readonly nested: readonly RawPath[];
}

const name = 'baseline.json';
const paths = z.array(z.string());
const shape = z.object({ head: z.string().exactOptional(), ignored: paths, tooLarge: paths, nested: paths });

export async function writeBaseline({ ownGitDir }: Workspace, baseline: Baseline): Promise<void> {
  await writeDurably(join(ownGitDir, name), JSON.stringify(baseline));
}

export async function readBaseline({ ownGitDir }: Workspace): Promise<Baseline> {
  return shape.parse(JSON.parse(await readFile(join(ownGitDir, name), 'utf8')));
}
